// How panfrost rounds sizes, and what limits them. The kernel does not tell the size it made of a request, so it is
// computed; the device contract test compares it with what the BO's dma-buf says. The simulation uses the same rules.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "daemon/core/arena.h"
#include "daemon/core/bo_kind.h"
#include "proto/size_class.h"

namespace panbo {

/// Largest size in bytes that can be asked for: what fits into an arena and into the 32 bits that the ioctl has.
constexpr uint64_t max_bo_size(uint64_t page_size) {
  const uint64_t of_uapi = uint64_t{std::numeric_limits<uint32_t>::max()} / page_size * page_size;
  return std::min(of_uapi, kArenaBytes);
}

/// The same for an executable BO. The kernel aligns it to its own size, so the first place for it ends at twice its
/// size, and the last page below 4 GiB is not used for such BOs.
constexpr uint64_t max_executable_size(uint64_t page_size) {
  return ((uint64_t{4} << 30) - page_size) / 2 / page_size * page_size;
}

/// The size in bytes of a BO for which `size` bytes, at most max_bo_size(), were asked.
constexpr uint64_t rounded_bo_size(BoKind kind, uint64_t size, uint64_t page_size) {
  return round_up(size, kind == BoKind::kHeap ? kHeapGranule : page_size);
}

}  // namespace panbo
