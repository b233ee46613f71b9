// How the pool gives memory back: what gives way when there is too much, and what has grown too old.
//
// Whatever is over a limit goes in pieces, since to evict a BO takes a moment and there may be a hundred thousand. A
// limit that is not reached with the first piece becomes the goal, which each tick() comes nearer to until it is
// reached. So many can go in one piece that a goal is reached even while everybody releases.
//
// The user who has most of the cache gives way first, so that who has little keeps it, however much others churn. What
// has grown too old goes whosever it is.
//
// Headroom is what keeps a program that wants much memory quickly from being killed beside a full cache: the kernel's
// own signals come too late for that (docs/kernel-facts.md). It needs a look at the board's memory now and then, so it
// ticks while the cache is not empty, and only then.

#include <algorithm>

#include "daemon/core/bo_pool.h"

namespace panbo {
namespace {

// What the pieces of a tick cost. A look at a Held BO is some three calls of the device; an eviction is left to the
// worker, if there is one; the board's memory is in a few files.
constexpr Price kLookPrice = 3 * kDeviceCall;
constexpr Price kHandOverPrice = 3;
constexpr Price kStockPrice = 2 * kDeviceCall;
constexpr Price kMemoryPrice = 5 * kDeviceCall;

}  // namespace

Evicted BoPool::evict_bytes(uint64_t bytes, size_t max_bos, Time now) {
  Amount total;
  evict_ready(bytes, max_bos, total, now);
  evict_stock(bytes, max_bos, total, now);
  return {.amount = total, .more = total.bytes < bytes && spare() > 0};
}

Evicted BoPool::evict_user(UserId user, size_t max_bos, Time now) {
  // A domain is a user.
  const DomainId domain{user.value};
  Amount total;
  while (total.count < max_bos && ready_.oldest_of(domain) != nullptr) evict(*ready_.oldest_of(domain), total, now);
  return {.amount = total, .more = ready_.oldest_of(domain) != nullptr};
}

void BoPool::evict_ready(uint64_t bytes, size_t max_bos, Amount& total, Time now) {
  while (total.bytes < bytes && total.count < max_bos && ready_.first_to_go() != nullptr) {
    evict(*ready_.first_to_go(), total, now);
  }
}

void BoPool::evict_stock(uint64_t bytes, size_t max_bos, Amount& total, Time now) {
  while (total.bytes < bytes && total.count < max_bos && stock_.largest() != nullptr) {
    Bo& bo = *stock_.largest();
    total.add(bo.key.size);
    evicted_.add(bo.key.size);
    stock_.remove(bo);
    stock_.lost(now);
    retire(bo, now);
  }
}

void BoPool::evict(Bo& bo, Amount& total, Time now) {
  ready_.remove(bo);
  total.add(bo.key.size);
  evicted_.add(bo.key.size);
  retire(bo, now);
}

void BoPool::shrink_to(uint64_t ready_bytes, Time now) {
  stock_goes_ = stock_goes_ || ready_bytes == 0;
  lower_goal(ready_bytes, now);
  pursue_goal(kEvictPiece, now);
}

void BoPool::lower_goal(uint64_t ready_bytes, Time now) {
  goal_ = std::min(goal_.value_or(UINT64_MAX), ready_bytes);
  behind_since_ = now;
}

size_t BoPool::pursue_goal(size_t max_bos, Time now) {
  if (!goal_) return 0;
  Amount total;
  evict_ready(ready().bytes - std::min(ready().bytes, *goal_), max_bos, total, now);
  if (stock_goes_) evict_stock(UINT64_MAX, max_bos, total, now);
  if (ready().bytes > *goal_ || (stock_goes_ && stock_.largest() != nullptr)) return total.count;
  goal_.reset();
  stock_goes_ = false;
  return total.count;
}

uint64_t BoPool::keep_headroom(uint64_t local, Time now) {
  const uint64_t excess = look_at_headroom(local, now);
  pursue_goal(kEvictPiece, now);
  return excess;
}

// What clients keep is too much only once nothing is Ready any more.
uint64_t BoPool::look_at_headroom(uint64_t local, Time now) {
  if (options_.headroom_share <= 0) return 0;
  headroom_seen_ = now;
  const uint64_t available = memory_.available();
  if (available == UINT64_MAX) return 0;
  const auto allowed = static_cast<uint64_t>(static_cast<double>(available) * options_.headroom_share);
  const uint64_t kept = ready().bytes + local;
  if (kept <= allowed) return 0;
  const uint64_t excess = kept - allowed;
  const uint64_t of_ready = std::min(excess, ready().bytes);
  lower_goal(ready().bytes - of_ready, now);
  return excess - of_ready;
}

bool BoPool::headroom_ticks() const {
  return options_.headroom_share > 0 && ready().count > 0;
}

std::optional<Time> BoPool::next_deadline() const {
  return earlier(next_piece(), stock_.due());
}

// The stock is filled by the allocator.
std::optional<Time> BoPool::next_piece() const {
  const auto headroom = headroom_ticks() ? std::optional(headroom_seen_ + options_.headroom_interval) : std::nullopt;
  const auto behind = goal_ || stock_.to_check() ? std::optional(behind_since_) : std::nullopt;
  return earlier(earlier(held_.next_deadline(), ready_.next_deadline()), earlier(behind, headroom));
}

Turns::Work::Piece BoPool::tick(Time now) {
  const auto looks = static_cast<Price>(look_at_due(now));
  Price price = looks * kLookPrice;
  if (headroom_ticks() && now - headroom_seen_ >= options_.headroom_interval) {
    look_at_headroom(0, now);
    price += kMemoryPrice;
  }
  size_t evicted = evict_aged(kEvictPiece, now);
  evicted += pursue_goal(kEvictPiece - evicted, now);
  const size_t checked = check_stock(kEvictPiece - evicted, now);
  price += static_cast<Price>(evicted) * (worker_ == nullptr ? kDeviceCall : kHandOverPrice);
  price += static_cast<Price>(checked) * kStockPrice;
  const auto next = next_piece();
  return {.price = price, .more = next && *next <= now};
}

size_t BoPool::evict_aged(size_t max_bos, Time now) {
  size_t evicted = 0;
  for (; evicted < max_bos; ++evicted) {
    Bo* bo = ready_.take_aged(now);
    if (bo == nullptr) break;
    evicted_.add(bo->key.size);
    retire(*bo, now);
  }
  return evicted;
}

}  // namespace panbo
