// The sizes that BOs come in. Any BO of a class fits any request of that class, so the cache never searches for a fit.
//
// Up to 16 granules a class is a number of granules; from there to 64 MiB there are 16 classes for each doubling, so
// a BO is at most 1/16 (6.25 %) larger than the pages that were asked for. Beyond 64 MiB sizes are exact: there a
// sixteenth is memory that somebody misses.
#pragma once

#include <cstdint>

namespace panbo {

inline constexpr uint64_t kLargestClassedSize = uint64_t{64} << 20;
/// What the kernel rounds heap BOs up to: it populates them in steps of this size.
inline constexpr uint64_t kHeapGranule = uint64_t{2} << 20;

/// `step` is a power of two.
[[nodiscard]] constexpr uint64_t round_up(uint64_t size, uint64_t step) {
  return (size + step - 1) & ~(step - 1);
}

/// The class of a request, named by its size in bytes. `size` is at least 1 and at most 2^63; `granule` is what the
/// kernel rounds to, a power of two: the page size, or kHeapGranule. A class is its own class.
[[nodiscard]] uint64_t size_class(uint64_t size, uint64_t granule);

}  // namespace panbo
