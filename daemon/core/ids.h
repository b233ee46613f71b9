// Names of things. Each is a type of its own, so that a swapped pair of ids does not compile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace panbo {

template <class Tag, class Rep>
struct StrongId {
  Rep value{};
  friend auto operator<=>(StrongId, StrongId) = default;
};

/// A BO of the daemon, while it exists. Slots are reused, the generation in the upper half tells old from new.
using BoId = StrongId<struct BoIdTag, uint64_t>;
/// A client's right to one BO. Never used twice by one daemon.
using LeaseId = StrongId<struct LeaseIdTag, uint64_t>;
/// A connected client. Never used twice by one daemon; 0 is nobody.
using ClientId = StrongId<struct ClientIdTag, uint64_t>;
/// A Unix user, for quotas and display.
using UserId = StrongId<struct UserIdTag, uint32_t>;
/// The daemon itself: pays for its own work, such as decay, eviction and scans. No peer has this uid.
inline constexpr UserId kHouse{UINT32_MAX};
/// Chosen by a client for one of its requests; means nothing without the ClientId.
using RequestId = StrongId<struct RequestIdTag, uint64_t>;
/// One DRM file of the daemon.
using ArenaId = StrongId<struct ArenaIdTag, uint16_t>;
/// The set of clients that may see each other's old data.
using DomainId = StrongId<struct DomainIdTag, uint32_t>;

}  // namespace panbo

template <class Tag, class Rep>
struct std::hash<panbo::StrongId<Tag, Rep>> {
  size_t operator()(panbo::StrongId<Tag, Rep> id) const noexcept { return std::hash<Rep>{}(id.value); }
};
