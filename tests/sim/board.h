// The board's memory: what it has, less what the device's BOs take, less what other programs have. The kernel, which
// the device plays, refuses what does not fit.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <utility>

#include "daemon/core/clock.h"
#include "daemon/core/memory_gauge.h"
#include "tests/support/fake_device.h"

namespace panbo::sim {

class Board final : public MemoryGauge {
 public:
  /// `device` and `clock` must outlive this. `total`: bytes of memory for BOs and for other programs.
  Board(FakeDevice& device, const Clock& clock, uint64_t total) : device_(device), clock_(clock), total_(total) {
    set_others(0);
  }

  /// Other programs have so many bytes from now on, or all that there are.
  void set_others(uint64_t bytes) {
    had_.emplace_back(clock_.now(), others_);
    others_ = std::min(bytes, total_ - std::min(device_.bytes(), total_));
    device_.memory_limit = total_ - others_;
  }
  [[nodiscard]] uint64_t others() const { return others_; }
  /// The most that other programs had within the last `time`. Who waits for their memory need not see at once that
  /// they have less.
  [[nodiscard]] uint64_t others_lately(Duration time) const {
    uint64_t most = others_;
    for (const auto& [until, bytes] : had_) {
      if (until + time > clock_.now()) most = std::max(most, bytes);
    }
    return most;
  }

  /// The least that they had within the last `time`.
  [[nodiscard]] uint64_t least_others_lately(Duration time) const {
    uint64_t least = others_;
    for (const auto& [until, bytes] : had_) {
      if (until + time > clock_.now()) least = std::min(least, bytes);
    }
    return least;
  }

  [[nodiscard]] uint64_t total() const { return total_; }
  /// What nobody has.
  [[nodiscard]] uint64_t left() const { return device_.memory_limit - std::min(device_.bytes(), device_.memory_limit); }

  // MemoryGauge.
  [[nodiscard]] uint64_t available() const override {
    ++looks_;
    if (on_look) on_look();
    return left();
  }
  /// To look takes the daemon a moment, in which clients go on.
  std::function<void()> on_look;
  /// How often the daemon has looked.
  [[nodiscard]] uint64_t looks() const { return looks_; }

 private:
  FakeDevice& device_;
  const Clock& clock_;
  const uint64_t total_;
  uint64_t others_ = 0;
  /// Until when they had how much.
  std::deque<std::pair<Time, uint64_t>> had_;
  mutable uint64_t looks_ = 0;
};

}  // namespace panbo::sim
