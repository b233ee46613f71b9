#include "client/lib/bo_list.h"

#include <utility>

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

}  // namespace

std::list<panbo_bo> BoList::make(Client& owner, size_t count) {
  std::list<panbo_bo> bos;
  for (size_t i = 0; i < count; ++i) bos.emplace_back(owner);
  for (auto bo = bos.begin(); bo != bos.end(); ++bo) bo->position = bo;
  return bos;
}

void BoList::add(std::list<panbo_bo>& granted) {
  const std::lock_guard lock(mutex_);
  for (const panbo_bo& bo : granted) {
    ++stats_.leased_count;
    stats_.leased_bytes += bo.size;
    ++counter_of(bo.origin, stats_);
  }
  bos_.splice(bos_.end(), granted);
}

std::list<panbo_bo> BoList::remove(panbo_bo& bo) {
  std::list<panbo_bo> removed;
  const std::lock_guard lock(mutex_);
  --stats_.leased_count;
  stats_.leased_bytes -= bo.size;
  removed.splice(removed.end(), bos_, bo.position);
  return removed;
}

std::list<panbo_bo> BoList::remove_all() {
  const std::lock_guard lock(mutex_);
  return std::exchange(bos_, {});
}

void BoList::count_failed(size_t count) {
  const std::lock_guard lock(mutex_);
  stats_.failed += count;
}

panbo_stats BoList::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

bool BoList::at_rest() const {
  return std::unique_lock(mutex_, std::try_to_lock).owns_lock();
}

}  // namespace panbo
