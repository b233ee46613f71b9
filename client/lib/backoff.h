// When to try again what has failed.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>

namespace panbo {

/// The pause after a failure: 100 ms, twice as long after each further one, up to 5 s, and each time between half and
/// all of that, so that the programs of a board do not all come at the same moment.
class Backoff {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  explicit Backoff(uint32_t seed) : random_(seed) {}

  /// At first it is, and after a success.
  [[nodiscard]] bool is_due(TimePoint now) const { return now >= next_; }
  void failed(TimePoint now);
  void succeeded();

 private:
  static constexpr std::chrono::milliseconds kFirst{100};
  static constexpr std::chrono::milliseconds kLongest{5000};

  std::minstd_rand random_;
  std::chrono::milliseconds pause_ = kFirst;
  TimePoint next_ = TimePoint::min();
};

}  // namespace panbo
