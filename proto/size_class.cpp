// With 2^k the power of two below the size, the 16 classes of the doubling (2^k, 2^(k+1)] are 2^k/16 apart. Where
// that would be less than a granule the granule is the step, which makes the first sizes granule steps without a case
// of their own.

#include "proto/size_class.h"

#include <algorithm>
#include <bit>

namespace panbo {

uint64_t size_class(uint64_t size, uint64_t granule) {
  const uint64_t exact = round_up(size, granule);
  if (exact > kLargestClassedSize) return exact;
  const uint64_t doubling = std::bit_floor(exact - 1);
  return round_up(exact, std::max(doubling / 16, granule));
}

}  // namespace panbo
