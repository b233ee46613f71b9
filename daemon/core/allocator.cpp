// The order is the answer to the question that the review of panfrost's own cache left open. That cache waits for its
// busy BOs before it gives its idle ones back, and so digs itself deeper; here nothing is waited for while there is
// still something to give back, and waiting is the caller's choice.
//
// A request that the board's memory cannot hold is refused before the kernel is asked: the kernel would fill the
// memory first and fail afterwards (docs/kernel-facts.md). A look at the memory costs a few syscalls, so small requests
// are compared with it together. They have to be, too: in a cgroup that is full to the last page the kernel does say no
// to BOs, but kills the process that asks when it is its own bookkeeping that does not fit.
//
// Creating is a small state machine, since the worker answers later: an Attempt says which arena is tried and what was
// done already, next_attempt() what follows from an error. Arenas are tried newest first, which has the most addresses
// left; older ones regain room as their BOs go, so all are tried before another is opened. After eviction the retry
// goes to the worker, if there is one, because the worker is what closes the large ones that were evicted.

#include "daemon/core/allocator.h"

#include <algorithm>

#include "daemon/core/arena.h"
#include "daemon/core/turns.h"
#include "proto/size_class.h"

namespace panbo {

Allocator::Allocator(Device& device, DeviceWorker* worker, const MemoryGauge& memory, BoPool& pool,
                     AllocatorOptions options)
    : device_(device), worker_(worker), memory_(memory), pool_(pool), options_(options) {
}

Result<Loan> Allocator::allocate(const Demand& demand, Time now) {
  const auto ready = allocate_ready(demand, now);
  if (ready || ready.error() == Errno{EDQUOT}) return ready;
  const BoKey key = key_of(demand);
  auto charge = Charge::take(demand.account, cost_of(demand));
  if (!charge) return charge.error();
  Borrower borrower{demand.client, demand.user, *std::move(charge)};
  if (Bo* stocked = pool_.lend_stocked(key, borrower, now)) return Loan{.bo = stocked, .fresh = true};
  if (!admit(key.memory(), now)) return Errno{ENOMEM};
  Bo& bo = pool_.begin_create(key, std::move(borrower), now);
  return create(bo, {.arena = static_cast<uint16_t>(arenas_ - 1)}, now);
}

Result<Loan> Allocator::allocate_ready(const Demand& demand, Time now) {
  auto charge = Charge::take(demand.account, cost_of(demand));
  if (!charge) return charge.error();
  if (demand.zeroed) return Errno{ENOMEM};
  Borrower borrower{demand.client, demand.user, *std::move(charge)};
  Bo* bo = pool_.lend_ready(key_of(demand), borrower, now);
  if (bo == nullptr) return Errno{ENOMEM};
  return Loan{.bo = bo, .fresh = false};
}

Result<Loan> Allocator::created(Bo& bo, const Result<DeviceBo>& result, Time now) {
  const auto pending = pending_.find(bo.id);
  Attempt attempt = pending->second;
  pending_.erase(pending);
  if (result) {
    pool_.lend_created(bo, *result, now);
    return Loan{.bo = &bo, .fresh = true};
  }
  if (next_attempt(attempt, result.error(), now)) return create(bo, attempt, now);
  pool_.create_failed(bo, now);
  return result.error();
}

void Allocator::created_unwanted(Bo& bo, const Result<DeviceBo>& result, Time now) {
  pending_.erase(bo.id);
  if (result) {
    pool_.lend_created(bo, *result, now);
    pool_.take_back_unsent(bo, now);
  } else {
    pool_.create_failed(bo, now);
  }
}

// No other arena is tried: what is made in advance is not worth one.
void Allocator::restock(bool may, uint64_t local, Time now) {
  const auto due = pool_.stock().due();
  if (!due || *due > now) return;
  if (!may || !pending_.empty() || (worker_ != nullptr && worker_->destroying() > 0)) {
    pool_.postpone_stock(now);
    return;
  }
  const uint64_t size = *pool_.stock().missing();
  if (size > budget_left() || !pool_.leaves_headroom(size, local)) {
    pool_.stock_refused(now);
    return;
  }
  Bo& bo = pool_.begin_stock(now);
  const ArenaId arena{static_cast<uint16_t>(arenas_ - 1)};
  if (worker_ != nullptr && size >= options_.large_bo) {
    stocking_ = bo.id;
    worker_->create(bo.id, kHouse, arena, bo.key.kind, size);
  } else {
    pool_.stock_created(bo, device_.create(arena, bo.key.kind, size), now);
  }
}

bool Allocator::restocked(BoId id, const Result<DeviceBo>& result, Time now) {
  if (stocking_ != id) return false;
  stocking_.reset();
  pool_.stock_created(*pool_.find(id), result, now);
  return true;
}

Cost Allocator::cost_of(const std::vector<Demand>& demands) const {
  Cost sum;
  for (const Demand& demand : demands) sum += cost_of(demand);
  return sum;
}

Cost Allocator::cost_of(const Demand& demand) const {
  const BoKey key = key_of(demand);
  return {.bytes = key.memory(), .addresses = key.size, .bos = 1};
}

BoKey Allocator::key_of(const Demand& demand) const {
  const DeviceLimits limits = device_.limits();
  const uint64_t granule = demand.kind == BoKind::kHeap ? kHeapGranule : limits.page_size;
  // A class may be larger than what the device can make where its limit is not itself a class.
  const uint64_t size = std::min(size_class(demand.size, granule), limits.max_bo_size);
  return {.domain = demand.domain, .kind = demand.kind, .size = size};
}

uint64_t Allocator::missing(const std::vector<Demand>& demands) const {
  const uint64_t bytes = cost_of(demands).bytes;
  const uint64_t room = std::min({budget_left(), memory_.available(), bytes});
  return bytes - room - std::min(pool_.spare(), bytes - room);
}

uint64_t Allocator::budget_left() const {
  return options_.total_max - std::min(pool_.memory(), options_.total_max);
}

bool Allocator::admit(uint64_t bytes, Time now) {
  unseen_ += bytes;
  const bool look = unseen_ >= options_.admission_from;
  const uint64_t memory = look ? memory_.available() : UINT64_MAX;
  const uint64_t room = std::min(budget_left(), memory);
  if (bytes > room && bytes - room > pool_.spare()) {
    // While there is none, even the smallest is compared.
    if (look) unseen_ = options_.admission_from;
    return false;
  }
  if (look) unseen_ = 0;
  if (bytes > room) pool_.evict_bytes(bytes - room, SIZE_MAX, now);
  return true;
}

bool Allocator::next_attempt(Attempt& attempt, Errno error, Time now) {
  if (error == Errno{ENOSPC} && next_arena(attempt)) return true;
  if (error != Errno{ENOMEM} && error != Errno{ENOSPC}) return false;
  if (attempt.evicted) return false;
  // What was evicted before may still be with the worker. It is asked for the next attempt, after that.
  if (pool_.evict_all(SIZE_MAX, now).amount.count == 0 && (worker_ == nullptr || worker_->destroying() == 0))
    return false;
  attempt = {.arena = static_cast<uint16_t>(arenas_ - 1), .opened_arena = true, .evicted = true};
  return true;
}

bool Allocator::next_arena(Attempt& attempt) {
  if (attempt.arena > 0) {
    --attempt.arena;
    return true;
  }
  if (attempt.opened_arena || arenas_ == kMaxArenas) return false;
  const auto opened = device_.open_arena();
  if (!opened) return false;
  arenas_ = static_cast<uint16_t>(opened->value + 1);
  attempt.arena = opened->value;
  attempt.opened_arena = true;
  return true;
}

Result<Loan> Allocator::create(Bo& bo, Attempt attempt, Time now) {
  while (true) {
    if (worker_ != nullptr && (bo.key.size >= options_.large_bo || attempt.evicted)) {
      pending_.emplace(bo.id, attempt);
      worker_->create(bo.id, bo.borrower.user, ArenaId{attempt.arena}, bo.key.kind, bo.key.size);
      return Loan{.bo = &bo, .fresh = true};
    }
    const auto result = device_.create(ArenaId{attempt.arena}, bo.key.kind, bo.key.size);
    if (result) {
      pool_.lend_created(bo, *result, now);
      return Loan{.bo = &bo, .fresh = true};
    }
    if (!next_attempt(attempt, result.error(), now)) {
      pool_.create_failed(bo, now);
      return result.error();
    }
  }
}

}  // namespace panbo
