// Structs that begin with their own size, so that programs and libraries of different versions understand each other:
// the rule of the kernel's copy_struct_from_user().
//
// A struct that is shorter than ours comes from an older program: what it does not have is zero. One that is longer
// comes from a newer program: what we do not know must be zero, for otherwise it asks for what we cannot do.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "proto/result.h"

namespace panbo {

/// A size beyond it is not one that the caller meant.
inline constexpr size_t kMaxStructSize = 4096;

/// `from` begins with a uint32_t: its size in bytes, and need not be aligned. `least` is where the first version of T
/// ended. `to` is written to if there is no error. Errors: EINVAL it is shorter than that; E2BIG it has more in it than
/// this library knows.
template <class T>
Result<void> copy_versioned(const std::byte* from, size_t least, T& to) {
  uint32_t size;
  std::memcpy(&size, from, sizeof(size));
  if (size < least) return Errno{EINVAL};
  if (size > kMaxStructSize) return Errno{E2BIG};
  if (size > sizeof(T)) {
    const std::span unknown(from + sizeof(T), size - sizeof(T));
    if (std::ranges::any_of(unknown, [](std::byte b) { return b != std::byte{0}; })) return Errno{E2BIG};
  }
  if (size >= sizeof(T)) {
    // By far the most frequent, and of a size that the compiler knows.
    std::memcpy(&to, from, sizeof(T));
  } else {
    to = T{};
    std::memcpy(&to, from, size);
  }
  return {};
}

}  // namespace panbo
