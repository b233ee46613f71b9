// The life of a BO: one enum, one table of legal moves, one function that makes them.
#pragma once

#include <cstdint>
#include <string_view>

namespace panbo {

///   Creating ──► Leased ──► Draining ──► Held ──► Ready ──► Leased …
///       │           ▲           └───────────────────▲
///       │           │                                           from anywhere ──► Retired
///       └► Stocked ─┘
enum class BoState : uint8_t {
  /// The kernel is making it.
  kCreating,
  /// Made for nobody yet: never lent, in the stock.
  kStocked,
  /// A client has it.
  kLeased,
  /// Released; a GPU job may still use it.
  kDraining,
  /// Idle, but somebody else still has a reference.
  kHeld,
  /// Idle, solely ours, in the cache.
  kReady,
  /// Destroyed, or about to be.
  kRetired,
};

inline constexpr int kBoStateCount = 7;

[[nodiscard]] std::string_view to_string(BoState state);

/// Whether a BO may go from one state to the other.
[[nodiscard]] bool is_legal_move(BoState from, BoState to);

/// Moves `state`. An illegal move is a bug of ours and ends the process with a message that names both states, in
/// every build: going on would lend a BO twice or lose it.
void move_to(BoState& state, BoState to);

}  // namespace panbo
