// The requests for BOs that are under way: those that the device worker is at, and those that wait for memory.
//
//   start ──► granted                       everything was to be had at once
//     ├─────► creating ──► granted          the worker makes at least one of the BOs
//     │          ▼  ▲
//     ├─────► waiting ───► failed           no memory, and the caller allows waiting: first come, first served
//     └─────► failed
//
// A request is served whole or not at all: what it got before it failed goes back to the cache unsent.
//
// Where clients keep enough unused leases, those are asked back, and the request waits for them for a short grace even
// if its caller does not wait: the memory is there, it has only to be fetched.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "daemon/core/allocator.h"
#include "daemon/core/bo_pool.h"
#include "daemon/core/clock.h"
#include "daemon/core/ids.h"
#include "daemon/service/local_cache.h"

namespace panbo {

/// Who asks.
struct Asker {
  ClientId client;
  RequestId request;
};

/// Hears how requests end. Must not call back.
class AllocListener {
 public:
  virtual ~AllocListener() = default;
  /// The loans are leased, in the order of the demands.
  virtual void granted(const Asker& asker, const std::vector<Demand>& demands, const std::vector<Loan>& loans,
                       bool waited) = 0;
  /// `error`: ETIMEDOUT the deadline came; EDQUOT a quota; ENOMEM; or what else the device said.
  virtual void failed(const Asker& asker, const std::vector<Demand>& demands, Errno error) = 0;
};

class AllocRequests {
 public:
  /// All must outlive this.
  AllocRequests(Allocator& allocator, BoPool& pool, LocalCache& local, AllocListener& listener);
  ~AllocRequests();

  /// All demands have the same account. `timeout` zero or less: do not wait.
  void start(const Asker& asker, std::vector<Demand> demands, Duration timeout, Time now);

  /// The client is gone: its requests end without an answer.
  void cancel_client(ClientId client, Time now);

  /// The device worker's answer.
  void on_created(BoId id, const Result<DeviceBo>& result, Time now);

  /// Tries again those that wait, if the pool has had new supplies since the last time.
  void serve_waiting(Time now);

  /// The tables were looked at: asks back what clients keep unused by now, for those that wait.
  void ask_back(Time now);

  /// Whether somebody waits for memory.
  [[nodiscard]] bool somebody_waits() const { return !waiting_.empty(); }

  /// When tick() wants to be called; nothing is due before.
  [[nodiscard]] std::optional<Time> next_deadline() const;
  void tick(Time now);

 private:
  enum class Ladder { kWhole, kReadyOnly };
  struct Open;
  using OpenPtr = std::shared_ptr<Open>;
  using Waiting = std::list<OpenPtr>;
  class OwnSupplies;

  /// A BO that the worker is at.
  struct Creating {
    /// For whom; nobody, if the request has ended meanwhile.
    OpenPtr open;
    /// Whether those who wait are to be told when nobody's BO comes to the cache.
    bool is_supply = true;
  };

  void serve_waiting(Ladder ladder, Time now);
  Result<void> attempt(const OpenPtr& open, Ladder ladder, Time now);
  void attempt_failed(const OpenPtr& open, Errno error, Time now);
  [[nodiscard]] bool may_wait(Open& open, Errno error, Time now);
  AskBack ask_back(Open& open, Time now);
  void give_back(const OpenPtr& open, Time now);
  void finish_if_complete(const OpenPtr& open);
  void add_pending(BoId bo, const OpenPtr& open);
  void remove_pending(const OpenPtr& open);

  Allocator& allocator_;
  BoPool& pool_;
  LocalCache& local_;
  AllocListener& listener_;
  std::unordered_map<BoId, Creating> creating_;
  /// How many of those BOs are for requests that had waited.
  size_t creating_after_wait_ = 0;
  /// In order of arrival.
  Waiting waiting_;
  /// BoPool::supplies() when the waiting requests were last tried, and what they have supplied themselves since.
  uint64_t supplies_seen_ = 0;
  uint64_t next_arrival_ = 0;
};

}  // namespace panbo
