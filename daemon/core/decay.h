// How much of an unused cache may stay: everything for three quarters of the decay time, since a pause of some seconds
// is common and what comes back after it is wanted again (docs/replay.md); then, along a smooth curve, less and less,
// so that memory goes back a little at a time; nothing after the decay time.
//
// The curve is jemalloc's, the smoothstep polynomial 1 - (6x^5 - 15x^4 + 10x^3), with x going from 0 to 1 in the last
// quarter (https://jemalloc.net/jemalloc.3.html#opt.dirty_decay_ms). Unlike jemalloc's, it is a curve of what is
// *unused*: bytes that are taken out for use are forgotten, and come back later as new ones, so a cache in full use
// never decays.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "daemon/core/clock.h"

namespace panbo {

/// Knows bytes and times only, never reads a clock. Bytes enter with add(); what leaves the cache because of the limit
/// is not reported back, what leaves it for any other reason is, with remove().
class Decay {
 public:
  /// `time` from full to nothing; at least one nanosecond.
  explicit Decay(Duration time);

  /// Bytes that have been unused since then.
  void add(uint64_t bytes, Time since);
  /// Undoes such an add().
  void remove(uint64_t bytes, Time since);

  /// Bytes that may be in the cache at that time.
  [[nodiscard]] uint64_t limit(Time at) const;

  /// The first time from `now` on at which limit() is at most `bytes`, to within one step.
  [[nodiscard]] Time when_at_most(uint64_t bytes, Time now) const;

  /// How finely time is divided. All that enters within one step decays as if it had entered at the step's end.
  [[nodiscard]] Duration step() const { return step_; }

 private:
  static constexpr int64_t kSteps = 128;

  [[nodiscard]] int64_t index(Time time) const { return time.time_since_epoch() / step_; }
  [[nodiscard]] uint64_t limit_at(int64_t step) const;

  Duration step_;
  /// Bytes that entered in each of the last kSteps steps and were not removed; a ring, indexed by step % kSteps.
  std::array<uint64_t, kSteps> entered_{};
  /// The newest step in the ring.
  int64_t newest_ = 0;
};

}  // namespace panbo
