// "What now?": the order in which a request for a BO is served, and what happens when the kernel says no.
//
//   1. A ready BO of the same domain, kind and size class.
//   2. One of the stock. It was never lent, so any domain may have it, and it counts as fresh.
//   3. A fresh one, if quota, budget and the board's memory admit it. Where the budget or the memory is in the way,
//      ready BOs are evicted first; where that cannot be enough, the kernel is not asked.
//   4. ENOMEM: everything ready is evicted, whoever used it, then a fresh one is tried once more.
//      ENOSPC: another arena, since it is addresses that are missing.
//   5. Waiting, and 6. failing with a record, are up to the caller: the service.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/core/bo_pool.h"
#include "daemon/core/clock.h"
#include "daemon/core/device.h"
#include "daemon/core/device_worker.h"
#include "daemon/core/memory_gauge.h"
#include "proto/result.h"

namespace panbo {

struct AllocatorOptions {
  /// Most bytes that BOs in all states may count as (BoKey::memory()).
  uint64_t total_max = UINT64_MAX;
  /// Once so many bytes were asked of the kernel, together, the next are compared with the board's memory before.
  uint64_t admission_from = uint64_t{1} << 20;
  /// From this size in bytes on to make a BO takes so long that it is left to the worker.
  uint64_t large_bo = uint64_t{1} << 20;
};

struct Demand {
  DomainId domain;
  ClientId client;
  UserId user;
  /// Pays for it.
  std::shared_ptr<Account> account;
  BoKind kind = BoKind::kPlain;
  /// Bytes, from 1 to Device::limits().max_bo_size.
  uint64_t size = 0;
  /// Must read as zero: only a fresh BO will do.
  bool zeroed = false;
  /// How many more of the same kind are welcome, if they are ready. The allocator leaves that to its caller.
  uint32_t extra = 0;
  /// What it is for, as the client says; may be empty. This, too, is the caller's business.
  std::string label;
};

struct Loan {
  /// Never nullptr. Owned by the pool. Leased, or Creating while the worker is at it.
  Bo* bo;
  /// Made by the kernel for this demand.
  bool fresh;

  [[nodiscard]] bool pending() const { return bo->state == BoState::kCreating; }
};

class Allocator {
 public:
  /// All must outlive the allocator. `worker` may be null: then every call is made here, and no loan is pending.
  Allocator(Device& device, DeviceWorker* worker, const MemoryGauge& memory, BoPool& pool, AllocatorOptions options);

  /// Steps 1 to 4. Never waits. A pending loan is continued by created().
  /// Errors: EDQUOT a quota of the account; ENOMEM; or what else the device said.
  Result<Loan> allocate(const Demand& demand, Time now);

  /// Step 1 alone. Errors: EDQUOT; ENOMEM there is none.
  Result<Loan> allocate_ready(const Demand& demand, Time now);

  /// The worker's answer for a pending loan, which then is leased, is pending again, or has failed and is gone.
  Result<Loan> created(Bo& bo, const Result<DeviceBo>& result, Time now);

  /// The worker's answer for a loan that nobody wants any more: it goes to the cache.
  void created_unwanted(Bo& bo, const Result<DeviceBo>& result, Time now);

  /// Bytes that the budget or the board's memory lack for all of the demands, even if everything ready and the stock
  /// are evicted.
  [[nodiscard]] uint64_t missing(const std::vector<Demand>& demands) const;

  /// Makes one BO for the stock, if that is due (Stock::due()), nothing else is under way, and there is memory to
  /// spare. `may`: nobody waits for memory. `local`: bytes that clients keep unused.
  void restock(bool may, uint64_t local, Time now);

  /// The worker's answer, if it was for the stock. False: it was for a loan.
  bool restocked(BoId id, const Result<DeviceBo>& result, Time now);

  /// What the demands cost their account.
  [[nodiscard]] Cost cost_of(const std::vector<Demand>& demands) const;

 private:
  /// How far step 4 has come for one BO.
  struct Attempt {
    uint16_t arena = 0;
    bool opened_arena = false;
    bool evicted = false;
  };

  [[nodiscard]] Cost cost_of(const Demand& demand) const;
  [[nodiscard]] BoKey key_of(const Demand& demand) const;
  [[nodiscard]] uint64_t budget_left() const;
  [[nodiscard]] bool admit(uint64_t bytes, Time now);
  [[nodiscard]] bool next_attempt(Attempt& attempt, Errno error, Time now);
  [[nodiscard]] bool next_arena(Attempt& attempt);
  Result<Loan> create(Bo& bo, Attempt attempt, Time now);

  Device& device_;
  DeviceWorker* const worker_;
  const MemoryGauge& memory_;
  BoPool& pool_;
  const AllocatorOptions options_;
  /// Bytes admitted since the board's memory was last looked at.
  uint64_t unseen_ = 0;
  /// How many arenas there are: 0 to arenas_ - 1.
  uint16_t arenas_ = 1;
  /// Those that the worker is at.
  std::unordered_map<BoId, Attempt> pending_;
  /// The one that the worker makes for the stock.
  std::optional<BoId> stocking_;
};

}  // namespace panbo
