// The bits of AllocItem::flags, as panbo.proto's AllocFlag gives them; the transport asserts that they agree.
#pragma once

#include <cstdint>
#include <optional>

#include "daemon/core/bo_kind.h"

namespace panbo {

inline constexpr uint32_t kAllocExecutable = 1;
inline constexpr uint32_t kAllocHeap = 2;
inline constexpr uint32_t kAllocZeroed = 4;

/// Nothing for unknown bits, and for a heap that is executable, which the kernel does not make.
[[nodiscard]] constexpr std::optional<BoKind> kind_of_flags(uint32_t flags) {
  switch (flags & ~kAllocZeroed) {
    case 0:
      return BoKind::kPlain;
    case kAllocExecutable:
      return BoKind::kExecutable;
    case kAllocHeap:
      return BoKind::kHeap;
    default:
      return std::nullopt;
  }
}

/// The flags that mean this.
[[nodiscard]] constexpr uint32_t flags_of_kind(BoKind kind, bool zeroed) {
  const uint32_t flags = kind == BoKind::kExecutable ? kAllocExecutable : kind == BoKind::kHeap ? kAllocHeap : 0;
  return zeroed ? flags | kAllocZeroed : flags;
}

}  // namespace panbo
