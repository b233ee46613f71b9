// What a BO can be used for. BOs of different kinds never stand in for each other.
#pragma once

#include <cstdint>

namespace panbo {

enum class BoKind : uint8_t {
  /// Mapped by CPU and GPU, not executable.
  kPlain,
  /// The GPU may execute from it. The kernel aligns it to its own size in the GPU's address space.
  kExecutable,
  /// Grows on GPU page fault, in steps of 2 MiB; no CPU mapping.
  kHeap,
};

}  // namespace panbo
