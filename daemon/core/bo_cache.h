// The Ready BOs, by what they can serve and by when they were last used.
#pragma once

#include <unordered_map>

#include "daemon/core/bo.h"

namespace panbo {

/// Borrows its BOs. Every operation is O(1), whatever the number of BOs.
class BoCache {
 public:
  /// Adds a BO as the most recently used. It must be Ready.
  void insert(Bo& bo);

  /// The most recently used BO of that key, still in the cache; nullptr if there is none. It is the likeliest to be
  /// in the CPU's and GPU's caches, and the rest can grow old and go.
  [[nodiscard]] Bo* warmest(const BoKey& key) const;

  void remove(Bo& bo);

  /// The least recently used BO, still in the cache; nullptr if it is empty.
  [[nodiscard]] Bo* oldest() const { return lru_.front(); }
  /// The one after it in that order; nullptr at the end.
  [[nodiscard]] Bo* younger(const Bo& bo) const { return lru_.next(bo); }

 private:
  using Bin = IntrusiveList<Bo, &Bo::in_state>;
  using Lru = IntrusiveList<Bo, &Bo::in_lru>;

  /// Has no empty bins, so that it cannot grow with the keys that once were.
  std::unordered_map<BoKey, Bin> bins_;
  Lru lru_;
};

}  // namespace panbo
