// How much GPU address space there is.
#pragma once

#include <cstdint>

namespace panbo {

/// GPU addresses of one arena in bytes: 32 bits of them, less what panfrost keeps free at the bottom.
inline constexpr uint64_t kArenaBytes = (uint64_t{4} << 30) - (uint64_t{32} << 20);

/// Arenas that there are at most. Each costs an fd and page tables; a board with more GPU memory than this does not
/// exist, and a request that no empty arena can hold must not open them for ever.
inline constexpr uint16_t kMaxArenas = 16;

/// GPU addresses of all of them.
inline constexpr uint64_t kBoardAddresses = kMaxArenas * kArenaBytes;

}  // namespace panbo
