// panbod --record: writes what clients ask for and give back into a trace file (docs/traces.md).
#pragma once

#include <optional>
#include <string>
#include <unordered_map>

#include "daemon/app/trace_writer.h"
#include "daemon/core/clock.h"
#include "daemon/service/observer.h"

namespace panbo {

class Recorder : public ServiceObserver {
 public:
  /// Bytes that a recording may have: a day of a busy desktop.
  static constexpr uint64_t kLimit = uint64_t{1} << 30;

  /// Creates the file or empties it. `clock` must outlive this. Throws SettingsError: it cannot.
  Recorder(const std::string& path, const Clock& clock, uint64_t limit = kLimit);

  /// Writes what has been collected.
  ~Recorder() override;

  void arrived(ClientId client, const Peer& peer, const std::string& name) override;
  void departed(ClientId client) override;
  void lent(ClientId client, BoId bo, const Demand& demand) override;
  void released(ClientId client, BoId bo, bool busy) override;
  void idle(BoId bo) override;

 private:
  struct Lent {
    uint64_t number = 0;
    ClientId client;
  };

  void append(trace::Event& event, ClientId client);
  /// Ends the recording, unless it went well.
  void check(const Result<void>& written);

  const std::string path_;
  const Clock& clock_;
  const Time start_;
  /// Nothing: the recording has ended.
  std::optional<TraceWriter> writer_;
  uint64_t bos_ = 0;
  /// BOs that a client has, or that a job uses after the release, by the daemon's name.
  std::unordered_map<BoId, Lent> lent_;
};

}  // namespace panbo
