// panbo's own cache: the daemon's service, on a device in memory and in virtual time.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "daemon/service/service.h"
#include "tests/replay/policy.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_device.h"

namespace panbo::replay {

/// The board that panbod finds itself on.
struct Board {
  uint64_t ram = uint64_t{4} << 30;
  /// Bytes that everything but BOs takes.
  uint64_t others = uint64_t{1} << 30;
};

class PanboPolicy : public Policy {
 public:
  /// The service gets the settings that panbod has on such a board without a configuration file.
  explicit PanboPolicy(const Board& board);
  ~PanboPolicy() override;

  void arrive(uint32_t client, const Arrive& arrive, Duration now) override;
  void depart(uint32_t client, Duration now) override;
  Served alloc(uint32_t client, const Alloc& alloc, Duration now) override;
  void release(uint32_t client, const Release& release, Duration now) override;
  void idle(uint64_t bo, Duration now) override;
  [[nodiscard]] std::optional<Duration> next_deadline() const override;
  void tick(Duration now) override;
  [[nodiscard]] uint64_t cached_bytes() override;

 private:
  class Client;
  class Memory;
  void set_time(Duration now);

  FakeClock clock_;
  const Time start_;
  FakeDevice device_;
  const std::unique_ptr<Memory> memory_;
  Service service_;
  std::map<uint32_t, std::unique_ptr<Client>> clients_;
  /// The device's handle of each BO that a job uses after its release.
  std::map<uint64_t, uint32_t> busy_;
};

}  // namespace panbo::replay
