// How one BO of a request is found: ready, in stock, or made by the kernel. What a whole request does, in which order
// and in which pieces, is the service's business (alloc_requests.h); here is each single step.
//
//   lend()      a ready BO of the same domain, kind and size class; else one of the stock, which was never lent, so that
//               any domain may have it, and which counts as fresh
//   create()    a fresh one: small ones are made here, large ones by the device worker, whose answer comes to created()
//
// When the kernel says ENOSPC it is addresses that are missing: the other arenas are tried, then a new one is opened.
// When it says ENOMEM that is for the caller to deal with.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/core/board_room.h"
#include "daemon/core/bo_pool.h"
#include "daemon/core/clock.h"
#include "daemon/core/device.h"
#include "daemon/core/device_worker.h"
#include "daemon/core/turns.h"
#include "proto/result.h"

namespace panbo {

struct AllocatorOptions {
  /// From this size in bytes on a creation is slow enough to be left to the worker.
  uint64_t large_bo = uint64_t{256} << 10;
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
  /// Owned by the pool. Leased, or Creating while the worker is at it. nullptr: there is none yet.
  Bo* bo = nullptr;
  /// Made by the kernel for this demand.
  bool fresh = false;

  [[nodiscard]] bool pending() const { return bo != nullptr && bo->state == BoState::kCreating; }
};

class Allocator {
 public:
  /// All must outlive the allocator. `worker` may be null: then every call is made here, and no loan is pending.
  Allocator(Device& device, DeviceWorker* worker, BoPool& pool, BoardRoom& room, AllocatorOptions options);

  /// What the demand costs its account, and what all of them cost theirs. Cost::bytes is the memory that they take.
  [[nodiscard]] Cost cost_of(const Demand& demand) const;
  [[nodiscard]] Cost cost_of(const std::vector<Demand>& demands) const;

  /// Lends a BO that is there. `paid`: of which the BO's charge is taken if there is one. Adds to `price`.
  [[nodiscard]] Loan lend(const Demand& demand, Charge& paid, Price& price, Time now);

  /// Lends a ready BO that nobody has asked for, if its account has room for it; std::nullopt if there is none. Adds to
  /// `price`.
  [[nodiscard]] std::optional<Loan> lend_extra(const Demand& demand, Price& price, Time now);

  /// Whether create() would leave it to the worker.
  [[nodiscard]] bool is_for_worker(const Demand& demand, bool by_worker) const {
    return worker_ != nullptr && (by_worker || key_of(demand).size >= options_.large_bo);
  }
  /// Has a BO made. `paid` as above, and left as it was if that fails. `by_worker`: although it is small, since it needs
  /// memory that the worker is about to give back. Adds to `price`.
  /// Errors: ENOMEM; ENOSPC no arena has addresses for it; or what else the device said.
  [[nodiscard]] Result<Loan> create(const Demand& demand, Charge& paid, bool by_worker, Price& price, Time now);

  /// The worker's answer for a pending loan, which then is leased, is pending again, or has failed and is gone; then its
  /// charge is put back into `paid`.
  [[nodiscard]] Result<Loan> created(Bo& bo, const Result<DeviceBo>& result, Charge& paid, Time now);

  /// The worker's answer for a loan that nobody wants any more: it goes to the cache.
  void created_unwanted(Bo& bo, const Result<DeviceBo>& result, Time now);

  /// A pending loan that nobody wants any more. True: the worker had not begun, and the loan is gone. False: its answer
  /// comes, and belongs to created_unwanted().
  [[nodiscard]] bool cancel(Bo& bo, Time now);

  /// Makes one BO for the stock, if that is due (Stock::due()), the worker has nothing else to do, and there is memory to
  /// spare. `local`: bytes that clients keep unused. Returns the price.
  Price restock(uint64_t local, Time now);

  /// The worker's answer, if it was for the stock. False: it was for a loan.
  bool restocked(BoId id, const Result<DeviceBo>& result, Time now);

 private:
  /// Which arena the worker tries for one BO, and whether it was opened for it.
  struct Attempt {
    uint16_t arena = 0;
    bool opened_arena = false;
  };

  [[nodiscard]] BoKey key_of(const Demand& demand) const;
  [[nodiscard]] Attempt first_attempt() const { return {.arena = static_cast<uint16_t>(arenas_ - 1)}; }
  [[nodiscard]] bool next_arena(Attempt& attempt);
  void give_up(Bo& bo, Charge& paid, Time now);

  Device& device_;
  DeviceWorker* const worker_;
  BoPool& pool_;
  BoardRoom& room_;
  const AllocatorOptions options_;
  /// How many arenas there are: 0 to arenas_ - 1.
  uint16_t arenas_ = 1;
  /// Those that the worker is at.
  std::unordered_map<BoId, Attempt> pending_;
  /// The one that the worker makes for the stock.
  std::optional<BoId> stocking_;
};

}  // namespace panbo
