// Each BO is in two lists: its key's bin, where a request looks, and the LRU, where eviction looks. Both are ordered
// by the time of insertion, so a bin's back is its warmest BO and the LRU's front the coldest of all.

#include "daemon/core/bo_cache.h"

#include <cassert>

namespace panbo {

void BoCache::insert(Bo& bo) {
  assert(bo.state == BoState::kReady);
  bins_[bo.key].push_back(bo);
  lru_.push_back(bo);
}

Bo* BoCache::warmest(const BoKey& key) const {
  const auto bin = bins_.find(key);
  return bin == bins_.end() ? nullptr : bin->second.back();
}

void BoCache::remove(Bo& bo) {
  const auto bin = bins_.find(bo.key);
  bin->second.remove(bo);
  if (bin->second.empty()) bins_.erase(bin);
  lru_.remove(bo);
}

}  // namespace panbo
