// Measures an amount that changes in steps over time.
#pragma once

#include <cstdint>
#include <optional>

#include "tests/replay/player.h"

namespace panbo::replay {

class Meter {
 public:
  /// `activity`: from the start to the last event, over which the mean is taken. `length`: that and the idle time
  /// after.
  Meter(Duration activity, Duration length, size_t spans);

  /// The amount is `bytes` from `now` on.
  void set(uint64_t bytes, Duration now);
  /// The amount stays as it is until the end. Called once, last.
  void finish(Metrics& metrics, Curve& curve);

 private:
  void hold_until(Duration time);
  [[nodiscard]] size_t span_of(Duration time) const;

  const Duration activity_;
  const Duration length_;
  uint64_t bytes_ = 0;
  Duration now_{};
  uint64_t peak_ = 0;
  uint64_t at_end_ = 0;
  uint64_t when_idle_ = 0;
  /// Since when nothing is cached; nothing: something is.
  std::optional<Duration> empty_since_ = Duration{};
  /// Byte-seconds until the last event.
  double area_ = 0;
  Curve curve_;
};

}  // namespace panbo::replay
