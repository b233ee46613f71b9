// A released BO goes through two questions before it is Ready. Does a GPU job still use it? The device answers that by
// an event, so Draining costs no timer. Does somebody still hold it? No event exists for that, so Held looks again and
// again, ever more slowly, until the BO is solely ours. As long as that takes it stays charged: retiring it would only
// close our handle, and its memory would live on with whoever kept it, and count nowhere.
//
// A look comes after a sixteenth of the time that the BO has been held, so we learn of its end late by a small part of
// that. Looks are made at multiples of a power of two, so that however many BOs are held for long, they are looked at
// together: at most two wake-ups a minute.
//
// Ready BOs are evictable for the kernel, and made unevictable before they are lent (docs/kernel-facts.md: a BO that is
// handed out while evictable makes the kernel warn).
//
// The cache decays by one timer that is armed only while there is something to decay. What enters sets it to at most
// one step ahead; when it fires, the time at which the oldest BO is due is computed, and nothing happens before that.
//
// A BO that a client kept unused before it came back has aged there already: it decays from its last use on, so that an
// idle system is empty after the decay time and not later. In the order of use it is where it entered, which is off by
// no more than the time that clients may keep something.
//
// Headroom is what keeps a program that wants much memory quickly from being killed beside a full cache: the kernel's
// own signals come too late for that (docs/kernel-facts.md). It needs a look at the board's memory now and then, so it
// ticks while the cache is not empty, and only then.
//
// A device call that fails where there is nothing to decide costs the BO, never more: it is retired.

#include "daemon/core/bo_pool.h"

#include <algorithm>
#include <bit>

#include "daemon/core/lifetime.h"

namespace panbo {

BoPool::BoPool(Device& device, DeviceWorker* worker, const MemoryGauge& memory, BoPoolOptions options)
    : device_(device),
      worker_(worker),
      memory_(memory),
      options_(std::move(options)),
      stock_(options_.stock, device.limits().page_size),
      decay_(options_.decay_time),
      recurrence_(options_.decay_time) {
}

BoPool::~BoPool() {
  store_.for_each([this](Bo& bo) {
    if (bo.state != BoState::kCreating) device_.destroy(bo.id, bo.device);
  });
}

Bo* BoPool::lend_ready(const BoKey& key, Borrower& borrower, Time now) {
  if (key.size > kLongLivedSize) recurrence_.ask(key, now);
  while (Bo* bo = cache_.warmest(key)) {
    uncache(*bo);
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
  while (Bo* bo = stock_.any(key.size)) {
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
    check_stock(now);
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
  for (Bo* bo : stock_.all()) {
    const auto pages = device_.make_unevictable(bo->device);
    const bool there = pages && *pages == Pages::kRetained;
    if (!there || !device_.make_evictable(bo->device)) lose_stocked(*bo, pages, now);
  }
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

Amount BoPool::evict_all(Time now) {
  return evict_bytes(UINT64_MAX, now);
}

Amount BoPool::evict_bytes(uint64_t bytes, Time now) {
  Amount total = evict_ready(bytes, now);
  while (total.bytes < bytes && stock_.largest() != nullptr) {
    Bo& bo = *stock_.largest();
    total.add(bo.key.size);
    evicted_.add(bo.key.size);
    stock_.remove(bo);
    stock_.lost(now);
    retire(bo, now);
  }
  return total;
}

Amount BoPool::evict_ready(uint64_t bytes, Time now) {
  Amount total;
  while (total.bytes < bytes && cache_.oldest() != nullptr) evict(*cache_.oldest(), total, now);
  return total;
}

Amount BoPool::evict_user(UserId user, Time now) {
  Amount total;
  for (Bo* bo = cache_.oldest(); bo != nullptr;) {
    Bo* next = cache_.younger(*bo);
    if (bo->borrower.user == user) evict(*bo, total, now);
    bo = next;
  }
  return total;
}

std::optional<Time> BoPool::next_deadline() const {
  const auto held = held_.empty() ? std::nullopt : std::optional(held_.begin()->first);
  const auto headroom = headroom_ticks() ? std::optional(headroom_seen_ + options_.headroom_interval) : std::nullopt;
  const auto expiring = expiring_.empty() ? std::nullopt : std::optional((*expiring_.begin())->expires);
  return earlier(earlier(earlier(held, expiring), earlier(decay_deadline_, headroom)), stock_.due());
}

void BoPool::tick(Time now) {
  look_at_held(now);
  evict_expired(now);
  if (decay_deadline_ && *decay_deadline_ <= now) evict_decayed(now);
  if (headroom_ticks() && now - headroom_seen_ >= options_.headroom_interval) keep_headroom(0, now);
}

void BoPool::look_at_held(Time now) {
  while (!held_.empty() && held_.begin()->first <= now) {
    Bo* bo = store_.find(held_.begin()->second);
    held_.erase(held_.begin());
    look(*bo, now, now);
  }
}

void BoPool::evict_decayed(Time now) {
  const uint64_t limit = decay_.limit(now);
  decay_deadline_.reset();
  while (Bo* oldest = cache_.oldest()) {
    const uint64_t without = ready().bytes - oldest->key.size;
    if (without < limit) {
      decay_deadline_ = decay_.when_at_most(without, now);
      return;
    }
    cache_.remove(*oldest);
    expiring_.erase(oldest);
    evicted_.add(oldest->key.size);
    retire(*oldest, now);
  }
}

void BoPool::evict_expired(Time now) {
  Amount total;
  while (!expiring_.empty() && (*expiring_.begin())->expires <= now) {
    evict(**expiring_.begin(), total, now);
  }
}

bool BoPool::headroom_ticks() const {
  return options_.headroom_share > 0 && ready().count > 0;
}

uint64_t BoPool::keep_headroom(uint64_t local, Time now) {
  if (options_.headroom_share <= 0) return 0;
  headroom_seen_ = now;
  const uint64_t available = memory_.available();
  if (available == UINT64_MAX) return 0;
  const auto allowed = static_cast<uint64_t>(static_cast<double>(available) * options_.headroom_share);
  const uint64_t kept = ready().bytes + local;
  if (kept <= allowed) return 0;
  const uint64_t evicted = evict_ready(kept - allowed, now).bytes;
  return kept - allowed - std::min(evicted, kept - allowed);
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
  const Duration pause = std::clamp((now - bo.since) / 16, options_.held_shortest_pause, options_.held_longest_pause);
  const Duration grid(std::bit_floor(static_cast<uint64_t>(pause.count())));
  const Duration next = (now + pause).time_since_epoch() + grid - Duration(1);
  held_.emplace(Time(next - next % grid), bo.id);
  if (store_.amount(BoState::kHeld).count <= options_.held_max) return;
  // The one whose turn comes last has been held longest.
  const auto last = std::prev(held_.end());
  Bo& given_up = *store_.find(last->second);
  held_.erase(last);
  retire(given_up, now);
}

void BoPool::make_ready(Bo& bo, Time unused_since, Time now) {
  // A heap has no pages before the GPU asks for them, so to make one costs nothing; one that was used has grown, by
  // nobody knows how much, and would keep that.
  if (bo.after_release == AfterRelease::kDestroy || bo.key.kind == BoKind::kHeap || bo.key.size > options_.cache_max) {
    retire(bo, now);
    return;
  }
  const uint64_t room = options_.cache_max - bo.key.size;
  if (ready().bytes > room) evict_ready(ready().bytes - room, now);
  store_.move(bo, BoState::kReady, unused_since);
  bo.borrower.charge.reset();
  cache_.insert(bo);
  decay_.add(bo.key.size, bo.since);
  decay_deadline_ = earlier(decay_deadline_, now + decay_.step());
  if (bo.key.size > kLongLivedSize) {
    bo.expires = bo.since + lifetime_of_large(bo.key.size, recurrence_.recurs(bo.key, now), options_.decay_time);
    expiring_.insert(&bo);
  }
  ++supplies_;
  if (options_.headroom_share > 0 && now - options_.headroom_pause >= headroom_seen_) keep_headroom(0, now);
}

void BoPool::uncache(Bo& bo) {
  cache_.remove(bo);
  expiring_.erase(&bo);
  decay_.remove(bo.key.size, bo.since);
  if (cache_.oldest() == nullptr) decay_deadline_.reset();
}

void BoPool::evict(Bo& bo, Amount& total, Time now) {
  uncache(bo);
  total.add(bo.key.size);
  evicted_.add(bo.key.size);
  retire(bo, now);
}

void BoPool::on_destroyed(uint64_t bytes, Time /*now*/) {
  coming_ -= bytes;
}

void BoPool::retire(Bo& bo, Time now) {
  store_.move(bo, BoState::kRetired, now);
  if (worker_ != nullptr && bo.key.size >= options_.large_bo) {
    device_.unwatch(bo.id);
    coming_ += bo.key.memory();
    worker_->destroy(bo.id, bo.device, bo.key.memory());
  } else {
    device_.destroy(bo.id, bo.device);
  }
  store_.erase(bo);
  ++supplies_;
}

}  // namespace panbo
