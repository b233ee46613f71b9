// A BO's word in the lease table and the list that it is in change together, under the lock. So whoever looks through
// the kept ones after the bell has rung finds all that the daemon had taken by then.

#include "client/lib/bo_list.h"

#include <algorithm>
#include <utility>

#include "client/lib/session.h"

namespace panbo {
namespace {

uint64_t& counter_of(uint32_t origin, panbo_stats& stats) {
  switch (origin) {
    case PANBO_ORIGIN_FRESH:
      return stats.fresh;
    case PANBO_ORIGIN_WAITED:
      return stats.waited;
    case PANBO_ORIGIN_LOCAL:
      return stats.local;
    case PANBO_ORIGIN_DIRECT:
      return stats.direct;
    default:
      return stats.cached;
  }
}

bool is_taken(const panbo_bo& bo) {
  return lease_use(look_at_lease(*bo.lease)) == LeaseUse::kTaken;
}

// InUse → Unused.
bool free_lease_of(panbo_bo& bo) {
  bool wake = false;
  bo.word = free_lease(*bo.lease, bo.word, bo.session->table().watched(), wake);
  return wake;
}

}  // namespace

std::list<panbo_bo> BoList::make(Client& owner, size_t count) {
  std::list<panbo_bo> bos;
  for (size_t i = 0; i < count; ++i) bos.emplace_back(owner);
  for (auto bo = bos.begin(); bo != bos.end(); ++bo) bo->position = bo;
  return bos;
}

void BoList::count_in(const panbo_bo& bo) {
  ++stats_.leased_count;
  stats_.leased_bytes += bo.size;
  ++counter_of(bo.origin, stats_);
}

void BoList::count_out(const panbo_bo& bo) {
  --stats_.leased_count;
  stats_.leased_bytes -= bo.size;
}

void BoList::add(std::list<panbo_bo>& granted) {
  const std::lock_guard lock(mutex_);
  for (const panbo_bo& bo : granted) count_in(bo);
  in_use_.splice(in_use_.end(), granted);
}

void BoList::add_unused(std::list<panbo_bo>& extras) {
  const std::lock_guard lock(mutex_);
  for (auto next = extras.begin(); next != extras.end();) {
    panbo_bo& bo = *next++;
    bo.word = look_at_lease(*bo.lease);
    if (lease_use(bo.word) == LeaseUse::kUnused) cache_.keep(bo, extras, true);
  }
}

panbo_bo* BoList::use_kept(uint32_t kind, uint64_t size_class, uint64_t page_size, bool& maybe_busy) {
  const std::lock_guard lock(mutex_);
  LocalBin* bin = cache_.find(kind, size_class);
  panbo_bo* bo = bin != nullptr ? cache_.use(*bin, in_use_, taken_) : nullptr;
  if (bo == nullptr) bo = cache_.use_larger(kind, size_class, page_size, in_use_, taken_);
  if (bo == nullptr) return nullptr;
  bo->origin = PANBO_ORIGIN_LOCAL;
  maybe_busy = !bo->kept_idle;
  count_in(*bo);
  return bo;
}

bool BoList::put_back(panbo_bo& bo) {
  const std::lock_guard lock(mutex_);
  count_out(bo);
  --stats_.local;
  const bool wake = free_lease_of(bo);
  cache_.put_back(bo, in_use_);
  return wake;
}

BoList::Kept BoList::keep(panbo_bo& bo, bool idle) {
  Kept kept;
  const std::lock_guard lock(mutex_);
  if (bo.session->is_over()) return kept;
  count_out(bo);
  kept.done = true;
  kept.wake = free_lease_of(bo);
  cache_.keep(bo, in_use_, idle);
  kept.in_excess = cache_.count() > max_kept_;
  return kept;
}

std::list<panbo_bo> BoList::remove_excess() {
  std::list<panbo_bo> excess;
  const std::lock_guard lock(mutex_);
  if (cache_.count() > max_kept_) cache_.remove_oldest(excess);
  return excess;
}

void BoList::plan(std::span<codec::AllocItem> items, std::span<LocalBin*> bins, uint64_t page_size) {
  const std::lock_guard lock(mutex_);
  size_t room = std::min(limits::kMaxBatch - items.size(), max_kept_ - std::min(max_kept_, cache_.count()));
  for (size_t i = 0; i < items.size(); ++i) {
    codec::AllocItem& item = items[i];
    if (!LocalCache::can_keep(item.size, page_size)) continue;
    const uint32_t kind = item.flags & kKindFlags;
    bins[i] = &cache_.bin(kind, size_class_of(kind, item.size, page_size));
    // A heap is made anew each time, and a zeroed BO is not like the others.
    if ((item.flags & (PANBO_BO_HEAP | PANBO_BO_ZEROED)) != 0) continue;
    item.extra = LocalCache::next_extra(*bins[i], static_cast<uint32_t>(room));
    room -= item.extra;
  }
}

std::list<panbo_bo> BoList::remove(panbo_bo& bo) {
  std::list<panbo_bo> removed;
  const std::lock_guard lock(mutex_);
  count_out(bo);
  removed.splice(removed.end(), in_use_, bo.position);
  return removed;
}

std::list<panbo_bo> BoList::remove_taken() {
  const std::lock_guard lock(mutex_);
  auto taken = std::exchange(taken_, {});
  cache_.remove_if(is_taken, taken);
  for (panbo_bo& bo : taken) bo.bin->extra = 0;
  return taken;
}

std::list<panbo_bo> BoList::remove_orphans() {
  const std::lock_guard lock(mutex_);
  std::list<panbo_bo> orphans;
  cache_.remove_if([](const panbo_bo& bo) { return bo.session->is_over(); }, orphans);
  return orphans;
}

// Whether the daemon has taken one meanwhile does not matter: a Release gives back and confirms alike.
std::list<panbo_bo> BoList::remove_kept() {
  const std::lock_guard lock(mutex_);
  auto kept = std::exchange(taken_, {});
  cache_.remove_if([](const panbo_bo&) { return true; }, kept);
  for (panbo_bo& bo : kept) bo.bin->extra = 0;
  return kept;
}

std::list<panbo_bo> BoList::remove_all() {
  auto all = remove_kept();
  const std::lock_guard lock(mutex_);
  all.splice(all.end(), in_use_);
  return all;
}

void BoList::count_failed(size_t count) {
  const std::lock_guard lock(mutex_);
  stats_.failed += count;
}

panbo_stats BoList::stats() const {
  const std::lock_guard lock(mutex_);
  panbo_stats stats = stats_;
  stats.kept_count = cache_.count();
  stats.kept_bytes = cache_.bytes();
  return stats;
}

bool BoList::at_rest() const {
  return std::unique_lock(mutex_, std::try_to_lock).owns_lock();
}

}  // namespace panbo
