// Arenas are tried newest first, which has the most addresses left; older ones regain room as their BOs go, so all are
// tried before another is opened. An arena that was opened for a BO and cannot hold it either ends the attempt.

#include "daemon/core/allocator.h"

#include <algorithm>

#include "daemon/core/arena.h"
#include "daemon/core/turns.h"
#include "proto/size_class.h"

namespace panbo {
namespace {

/// To make a BO takes several calls, and the kernel clears its pages: as long as a look-up for every two of them.
Price price_of_creation(uint64_t size) {
  return 3 * kDeviceCall + static_cast<Price>(std::min<uint64_t>(size / 8192, 1000));
}

}  // namespace

Allocator::Allocator(Device& device, DeviceWorker* worker, BoPool& pool, BoardRoom& room, AllocatorOptions options)
    : device_(device), worker_(worker), pool_(pool), room_(room), options_(options) {
}

Loan Allocator::lend(const Demand& demand, Charge& paid, Price& price, Time now) {
  const BoKey key = key_of(demand);
  Borrower borrower{demand.client, demand.user, paid.split_off(cost_of(demand))};
  price += kDeviceCall;
  const uint64_t purged_before = pool_.purged().count;
  Bo* bo = demand.zeroed ? nullptr : pool_.lend_ready(key, borrower, now);
  const bool is_ready = bo != nullptr;
  if (bo == nullptr) bo = pool_.lend_stocked(key, borrower, now);
  // Those that the kernel had taken cost as much as the one that is lent.
  price += static_cast<Price>(pool_.purged().count - purged_before) * 2 * kDeviceCall;
  if (is_ready) return {.bo = bo, .fresh = false};
  if (bo == nullptr) paid.merge(std::move(borrower.charge));
  return {.bo = bo, .fresh = true};
}

std::optional<Loan> Allocator::lend_extra(const Demand& demand, Price& price, Time now) {
  price += kDeviceCall;
  auto charge = Charge::take(demand.account, cost_of(demand));
  if (!charge) return std::nullopt;
  Borrower borrower{demand.client, demand.user, *std::move(charge)};
  const uint64_t purged_before = pool_.purged().count;
  Bo* bo = pool_.lend_ready(key_of(demand), borrower, now);
  price += static_cast<Price>(pool_.purged().count - purged_before) * 2 * kDeviceCall;
  return bo == nullptr ? std::nullopt : std::optional(Loan{.bo = bo, .fresh = false});
}

Result<Loan> Allocator::create(const Demand& demand, Charge& paid, bool by_worker, Price& price, Time now) {
  const BoKey key = key_of(demand);
  Bo& bo = pool_.begin_create(key, {demand.client, demand.user, paid.split_off(cost_of(demand))}, now);
  Attempt attempt = first_attempt();
  if (is_for_worker(demand, by_worker)) {
    price += kDeviceCall;
    pending_.emplace(bo.id, attempt);
    worker_->create(bo.id, bo.borrower.user, ArenaId{attempt.arena}, key.kind, key.size);
    return Loan{.bo = &bo, .fresh = true};
  }
  while (true) {
    price += price_of_creation(key.size);
    const auto result = device_.create(ArenaId{attempt.arena}, key.kind, key.size);
    if (result) {
      pool_.lend_created(bo, *result, now);
      return Loan{.bo = &bo, .fresh = true};
    }
    if (result.error() == Errno{ENOSPC} && next_arena(attempt)) continue;
    give_up(bo, paid, now);
    return result.error();
  }
}

Result<Loan> Allocator::created(Bo& bo, const Result<DeviceBo>& result, Charge& paid, Time now) {
  const auto pending = pending_.find(bo.id);
  if (result) {
    pending_.erase(pending);
    pool_.lend_created(bo, *result, now);
    return Loan{.bo = &bo, .fresh = true};
  }
  if (result.error() == Errno{ENOSPC} && next_arena(pending->second)) {
    worker_->create(bo.id, bo.borrower.user, ArenaId{pending->second.arena}, bo.key.kind, bo.key.size);
    return Loan{.bo = &bo, .fresh = true};
  }
  pending_.erase(pending);
  give_up(bo, paid, now);
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

bool Allocator::cancel(Bo& bo, Time now) {
  if (!worker_->cancel(bo.id)) return false;
  pending_.erase(bo.id);
  pool_.create_failed(bo, now);
  return true;
}

// No other arena is tried: what is made in advance is not worth one.
Price Allocator::restock(uint64_t local, Time now) {
  const auto due = pool_.stock().due();
  if (!due || *due > now) return 0;
  if (worker_ != nullptr && worker_->creating() + worker_->destroying() > 0) {
    pool_.postpone_stock(now);
    return 1;
  }
  const uint64_t size = *pool_.stock().missing();
  if (size > room_.budget_left() || !pool_.leaves_headroom(size, local)) {
    pool_.stock_refused(now);
    return kDeviceCall;
  }
  Bo& bo = pool_.begin_stock(now);
  const ArenaId arena{first_attempt().arena};
  if (worker_ != nullptr && size >= options_.large_bo) {
    stocking_ = bo.id;
    worker_->create(bo.id, kHouse, arena, bo.key.kind, size);
    return kDeviceCall;
  }
  pool_.stock_created(bo, device_.create(arena, bo.key.kind, size), now);
  return price_of_creation(size);
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
  const uint64_t most = demand.kind == BoKind::kExecutable ? limits.max_executable_size : limits.max_bo_size;
  const uint64_t size = std::min(size_class(demand.size, granule), most);
  return {.domain = demand.domain, .kind = demand.kind, .size = size};
}

bool Allocator::next_arena(Attempt& attempt) {
  if (attempt.opened_arena) return false;
  if (attempt.arena > 0) {
    --attempt.arena;
    return true;
  }
  if (arenas_ == kMaxArenas) return false;
  const auto opened = device_.open_arena();
  if (!opened) return false;
  arenas_ = static_cast<uint16_t>(opened->value + 1);
  attempt = {.arena = opened->value, .opened_arena = true};
  return true;
}

void Allocator::give_up(Bo& bo, Charge& paid, Time now) {
  paid.merge(std::move(bo.borrower.charge));
  pool_.create_failed(bo, now);
}

}  // namespace panbo
