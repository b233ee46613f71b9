// Caps of the wire protocol, the same on both sides. What exceeds one ends the connection.
#pragma once

#include <cstddef>
#include <cstdint>

namespace panbo::limits {

/// Version of panbo.proto that this code speaks.
inline constexpr uint32_t kProtocolVersion = 1;

/// Bytes of one packet. Well under the smallest socket buffer that Linux gives.
inline constexpr size_t kMaxPacketBytes = 16 * 1024;

/// Fds of one packet, and items of one Alloc. The kernel's own cap is 253 (SCM_MAX_FD).
inline constexpr size_t kMaxBatch = 64;

/// Lease ids in one Release.
inline constexpr size_t kMaxReleases = 256;

/// Bytes of a client's name or a BO's label; longer ones are cut.
inline constexpr size_t kMaxNameBytes = 64;

}  // namespace panbo::limits
