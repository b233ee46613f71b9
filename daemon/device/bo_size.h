// How panfrost rounds sizes, and what limits them. The kernel does not tell the size it made of a request, so it is
// computed; the device contract test compares it with what the BO's dma-buf says. The simulation uses the same rules.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "daemon/core/arena.h"
#include "daemon/core/bo_kind.h"

namespace panbo {

/// Heap BOs grow, and are rounded, in steps of this many bytes.
inline constexpr uint64_t kHeapStep = uint64_t{2} << 20;

constexpr uint64_t round_up(uint64_t size, uint64_t step) {
  return (size + step - 1) / step * step;
}

/// Largest size in bytes that can be asked for: what fits into an arena and into the 32 bits that the ioctl has.
constexpr uint64_t max_bo_size(uint64_t page_size) {
  const uint64_t of_uapi = uint64_t{std::numeric_limits<uint32_t>::max()} / page_size * page_size;
  return std::min(of_uapi, kArenaBytes);
}

/// The size in bytes of a BO for which `size` bytes, at most max_bo_size(), were asked.
constexpr uint64_t rounded_bo_size(BoKind kind, uint64_t size, uint64_t page_size) {
  return round_up(size, kind == BoKind::kHeap ? kHeapStep : page_size);
}

}  // namespace panbo
