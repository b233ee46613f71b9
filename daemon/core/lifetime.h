// How long a large BO may stay in the cache unused: to keep one costs its bytes times that time, and saves at most one
// creation. Small ones, which are many and come back, have no such limit: they go with the decay. Large ones stay for
// long only if their key recurs (recurrence.h); otherwise for as long as it takes to see whether they belong to
// something that goes on, such as a video. docs/decisions/0008-large-bos-go-early.md has what that is worth.
#pragma once

#include <algorithm>
#include <cstdint>

#include "daemon/core/clock.h"

namespace panbo {

/// Larger than this, in bytes, is large.
inline constexpr uint64_t kLongLivedSize = uint64_t{512} << 10;

/// Of a large BO. Each doubling beyond kLongLivedSize has a third of the time, but no less than what a BO has that does
/// not recur: a 200th of the decay time, by default 50 ms, more than there is between two pictures of a film.
[[nodiscard]] constexpr Duration lifetime_of_large(uint64_t size, bool recurs, Duration decay_time) {
  const Duration least = decay_time / 200;
  if (!recurs) return least;
  Duration life = decay_time;
  for (uint64_t left = size - 1; left >= kLongLivedSize && life > least; left /= 2) life /= 3;
  return std::max(life, least);
}

}  // namespace panbo
