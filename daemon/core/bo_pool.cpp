// A released BO goes through two questions before it is Ready. Does a GPU job still use it? The device answers that by
// an event, so Draining costs no timer. Does somebody still hold it? No event exists for that, so Held looks again and
// again, ever more slowly, until the BO is solely ours. As long as that takes it stays charged: retiring it would only
// close our handle, and its memory would live on with whoever kept it, and count nowhere.
//
// Ready BOs are evictable for the kernel, and made unevictable before they are lent (docs/kernel-facts.md: a BO that is
// handed out while evictable makes the kernel warn).
//
// Everything that is retired is destroyed by the worker, whatever its size: many small BOs take as long as a large one.
// Until the worker reports it, its memory is coming.
//
// A device call that fails where there is nothing to decide costs the BO, never more: it is retired.
//
// How Ready BOs give way is in bo_pool_giving_back.cpp.

#include "daemon/core/bo_pool.h"

namespace panbo {
namespace {

/// Ready or Stocked BOs that one request may find purged.
constexpr int kMostPurged = 16;
/// BOs that may be evicted so that one more can enter the cache.
constexpr uint64_t kMostForOne = 8;
/// Looks at Held BOs in one go.
constexpr size_t kMostLooks = 32;

}  // namespace

BoPool::BoPool(Device& device, DeviceWorker* worker, const MemoryGauge& memory, BoPoolOptions options)
    : device_(device),
      worker_(worker),
      memory_(memory),
      options_(std::move(options)),
      held_(options_.held_shortest_pause, options_.held_longest_pause),
      ready_(options_.decay_time),
      stock_(options_.stock, device.limits().page_size) {
}

BoPool::~BoPool() {
  store_.for_each([this](Bo& bo) {
    if (bo.state != BoState::kCreating) device_.destroy(bo.id, bo.device);
  });
}

Bo* BoPool::lend_ready(const BoKey& key, Borrower& borrower, Time now) {
  Bo* bo = ready_.ask(key, now);
  for (int purged = 0; bo != nullptr && purged < kMostPurged; ++purged, bo = ready_.warmest(key)) {
    ready_.remove(*bo);
    const auto pages = device_.make_unevictable(bo->device);
    if (pages && *pages == Pages::kRetained) {
      store_.move(*bo, BoState::kLeased, now);
      bo->borrower = std::move(borrower);
      return bo;
    }
    if (pages) purged_.add(bo->key.size);
    retire(*bo, now);
  }
  return nullptr;
}

Bo& BoPool::begin_create(const BoKey& key, Borrower borrower, Time now) {
  return store_.add(key, std::move(borrower), now);
}

void BoPool::lend_created(Bo& bo, const DeviceBo& device, Time now) {
  bo.device = device;
  store_.move(bo, BoState::kLeased, now);
}

void BoPool::create_failed(Bo& bo, Time now) {
  store_.move(bo, BoState::kRetired, now);
  store_.erase(bo);
}

Bo* BoPool::lend_stocked(const BoKey& key, Borrower& borrower, Time now) {
  if (key.kind != BoKind::kPlain) return nullptr;
  for (int purged = 0; purged < kMostPurged; ++purged) {
    Bo* bo = stock_.any(key.size);
    if (bo == nullptr) return nullptr;
    const auto pages = device_.make_unevictable(bo->device);
    if (pages && *pages == Pages::kRetained) {
      stock_.remove(*bo);
      stock_.postpone(now);
      bo->key.domain = key.domain;
      store_.move(*bo, BoState::kLeased, now);
      bo->borrower = std::move(borrower);
      return bo;
    }
    lose_stocked(*bo, pages, now);
    if (purged == 0) check_stock(now);
  }
  return nullptr;
}

Bo& BoPool::begin_stock(Time now) {
  stock_.begin();
  return store_.add({.domain = {}, .kind = BoKind::kPlain, .size = *stock_.missing()}, {}, now);
}

void BoPool::stock_created(Bo& bo, const Result<DeviceBo>& result, Time now) {
  // Whoever came meanwhile may have it, or its memory.
  ++supplies_;
  if (!result) {
    create_failed(bo, now);
    stock_.failed(now);
    return;
  }
  bo.device = *result;
  const auto holders = device_.make_evictable(bo.device);
  if (!holders || *holders != Holders::kOnlyUs) {
    retire(bo, now);
    stock_.failed(now);
    return;
  }
  store_.move(bo, BoState::kStocked, now);
  stock_.insert(bo);
  stock_.made(now);
}

void BoPool::check_stock(Time now) {
  stock_.begin_check();
  behind_since_ = now;
  check_stock(kEvictPiece, now);
}

size_t BoPool::check_stock(size_t max_bos, Time now) {
  size_t checked = 0;
  for (; checked < max_bos; ++checked) {
    Bo* bo = stock_.next_to_check();
    if (bo == nullptr) break;
    const auto pages = device_.make_unevictable(bo->device);
    const bool there = pages && *pages == Pages::kRetained;
    if (!there || !device_.make_evictable(bo->device)) lose_stocked(*bo, pages, now);
  }
  return checked;
}

void BoPool::lose_stocked(Bo& bo, const Result<Pages>& pages, Time now) {
  if (pages && *pages == Pages::kPurged) purged_.add(bo.key.size);
  stock_.remove(bo);
  stock_.lost(now);
  retire(bo, now);
}

bool BoPool::leaves_headroom(uint64_t size, uint64_t local) const {
  const uint64_t available = memory_.available();
  if (available == UINT64_MAX) return true;
  if (size > available) return false;
  if (options_.headroom_share <= 0) return true;
  return static_cast<double>(spare() + local + size) <= static_cast<double>(available - size) * options_.headroom_share;
}

void BoPool::release(Bo& bo, Time now, const LeaseEnd& end) {
  bo.after_release = end.after;
  store_.move(bo, BoState::kDraining, now);
  const auto usage = device_.watch(bo.id, bo.device);
  if (!usage) {
    retire(bo, now);
  } else if (*usage == Usage::kIdle) {
    look(bo, end.unused_since.value_or(now), now);
  }
}

void BoPool::take_back_unsent(Bo& bo, Time now) {
  const auto holders = device_.make_evictable(bo.device);
  if (holders && *holders == Holders::kOnlyUs) {
    make_ready(bo, now, now);
  } else {
    retire(bo, now);
  }
}

void BoPool::on_idle(BoId id, Time now) {
  Bo* bo = store_.find(id);
  if (bo != nullptr && bo->state == BoState::kDraining) look(*bo, now, now);
}

void BoPool::look(Bo& bo, Time unused_since, Time now) {
  auto holders = device_.holders(bo.id);
  if (holders && *holders == Holders::kOnlyUs) holders = device_.make_evictable(bo.device);
  if (!holders) {
    retire(bo, now);
  } else if (*holders == Holders::kOthersToo) {
    hold(bo, now);
  } else {
    device_.unwatch(bo.id);
    make_ready(bo, unused_since, now);
  }
}

void BoPool::hold(Bo& bo, Time now) {
  if (bo.state != BoState::kHeld) store_.move(bo, BoState::kHeld, now);
  held_.add({.id = bo.id, .user = bo.borrower.user, .bytes = bo.key.memory(), .since = bo.since}, now);
  if (held_.size() > options_.held_max) retire(*store_.find(held_.take_longest_held().id), now);
}

bool BoPool::look_at_held(UserId asker, uint64_t need_bytes, Time now) {
  uint64_t found = 0;
  for (size_t looks = 0; looks < kMostLooks && found < need_bytes; ++looks) {
    const auto held = held_.take_for(asker, now);
    if (!held) return false;
    look(*store_.find(held->id), now, now);
    const Bo* bo = store_.find(held->id);
    if (bo == nullptr || bo->state != BoState::kHeld) found += held->bytes;
  }
  return found < need_bytes && held_.has_for(asker, now);
}

size_t BoPool::look_at_due(Time now) {
  size_t looks = 0;
  for (; looks < kMostLooks; ++looks) {
    const auto held = held_.take_due(now);
    if (!held) break;
    look(*store_.find(held->id), now, now);
  }
  return looks;
}

void BoPool::make_ready(Bo& bo, Time unused_since, Time now) {
  // A heap has no pages before the GPU asks for them, so to make one costs nothing; one that was used has grown, by
  // nobody knows how much, and would keep that.
  if (bo.after_release == AfterRelease::kDestroy || bo.key.kind == BoKind::kHeap || !make_room(bo.key.size, now)) {
    retire(bo, now);
    return;
  }
  store_.move(bo, BoState::kReady, unused_since);
  bo.borrower.charge.reset();
  ready_.insert(bo, now);
  ++supplies_;
  if (options_.headroom_share > 0 && now - options_.headroom_pause >= headroom_seen_) keep_headroom(0, now);
}

bool BoPool::make_room(uint64_t bytes, Time now) {
  if (bytes > options_.cache_max) return false;
  Amount evicted;
  while (ready().bytes > options_.cache_max - bytes) {
    if (evicted.count == kMostForOne) return false;
    evict(*ready_.first_to_go(), evicted, now);
  }
  return true;
}

void BoPool::on_destroyed(uint64_t bytes, Time /*now*/) {
  coming_ -= bytes;
}

void BoPool::retire(Bo& bo, Time now) {
  const bool may_be_watched = bo.state == BoState::kDraining || bo.state == BoState::kHeld;
  store_.move(bo, BoState::kRetired, now);
  if (worker_ == nullptr) {
    device_.destroy(bo.id, bo.device);
  } else {
    if (may_be_watched) device_.unwatch(bo.id);
    coming_ += bo.key.memory();
    worker_->destroy(bo.id, bo.device, bo.key.memory());
  }
  store_.erase(bo);
  ++supplies_;
}

}  // namespace panbo
