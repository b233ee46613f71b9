// How long one BO may stay in the cache unused, by its size: to keep it costs its bytes times that time, and saves at
// most one creation. So small ones, which are many and come back, get the whole decay time; large ones only as long as
// it takes to see whether they belong to something that goes on, such as a video. docs/replay.md has what that is
// worth.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "daemon/core/clock.h"

namespace panbo {

/// Up to this size in bytes the whole decay time.
inline constexpr uint64_t kLongLivedSize = uint64_t{512} << 10;

/// Beyond kLongLivedSize each doubling has a quarter of the time, but no less than a 200th of the decay time: by
/// default 50 ms, more than there is between two pictures of a film.
[[nodiscard]] constexpr Duration lifetime(uint64_t size, Duration decay_time) {
  const auto doublings = size <= kLongLivedSize ? 0 : static_cast<int>(std::bit_width((size - 1) / kLongLivedSize));
  if (doublings > 3) return decay_time / 200;
  return std::max(decay_time / (1 << (2 * doublings)), decay_time / 200);
}

}  // namespace panbo
