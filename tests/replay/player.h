// Plays a trace to a policy, as fast as it goes, in virtual time, and measures.
#pragma once

#include <optional>
#include <vector>

#include "tests/replay/policy.h"
#include "tests/replay/trace.h"

namespace panbo::replay {

/// How long the system is watched after the last event of a trace: from then on it is idle.
inline constexpr Duration kIdleTail = std::chrono::seconds(20);
/// After so long an idle system should hold nothing.
inline constexpr Duration kIdleLimit = std::chrono::seconds(10);

struct Metrics {
  /// BOs asked for, of those served from the cache, and refused.
  uint64_t requests = 0;
  uint64_t hits = 0;
  uint64_t failed = 0;
  /// Bytes asked for and given, of the BOs that were served.
  uint64_t asked_bytes = 0;
  uint64_t given_bytes = 0;
  /// Of the cached bytes: the most at any time, and the mean over time from the first to the last event.
  uint64_t peak_cached = 0;
  uint64_t mean_cached = 0;
  /// Cached bytes at the last event, and kIdleLimit later.
  uint64_t cached_at_end = 0;
  uint64_t cached_when_idle = 0;
  /// From the last event until nothing was cached; nothing: not within kIdleTail.
  std::optional<Duration> time_to_give_back;

  [[nodiscard]] double hit_rate() const;
  /// (given - asked) / asked.
  [[nodiscard]] double waste() const;
};

/// Cached bytes over time: the most in each of a number of equally long spans.
struct Curve {
  Duration span{};
  std::vector<uint64_t> most;
};

struct Played {
  Metrics metrics;
  Curve curve;
};

/// `spans`: how many the curve has.
[[nodiscard]] Played play(const Trace& trace, Policy& policy, size_t spans);

}  // namespace panbo::replay
