// Time as the core sees it: a monotonic clock that only moves forward, real in panbod, virtual in tests.
#pragma once

#include <chrono>
#include <optional>

namespace panbo {

using Duration = std::chrono::nanoseconds;
using Time = std::chrono::time_point<std::chrono::steady_clock, Duration>;

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Time now() const = 0;
};

/// The earlier of two deadlines, where none means never.
[[nodiscard]] inline std::optional<Time> earlier(std::optional<Time> a, std::optional<Time> b) {
  if (!a) return b;
  if (!b) return a;
  return std::min(*a, *b);
}

}  // namespace panbo
