// Which large BOs come back: what a program asks for in every frame, for as long as it draws, and not what a window
// needs while its frame is dragged, where each size is asked for in a frame or two and never again.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "daemon/core/bo.h"
#include "daemon/core/clock.h"

namespace panbo {

/// Remembers how often keys are asked for, whether or not there are BOs of them. Never reads a clock; `now` is never
/// earlier than before.
class Recurrence {
 public:
  explicit Recurrence(Duration decay_time) : decay_time_(decay_time) {}

  /// Somebody asks for a BO of that key. O(1), but once in a while it forgets keys for which nobody has asked for the
  /// decay time.
  void ask(const BoKey& key, Time now);

  /// Whether the key has been asked for over at least a 20th of the decay time, and on average at least once in a tenth
  /// of it. A decay time without any begins a new count.
  [[nodiscard]] bool recurs(const BoKey& key, Time now) const;

  /// How many keys are remembered: at most 64, or twice those of the last decay time.
  [[nodiscard]] size_t size() const { return runs_.size(); }

 private:
  struct Run {
    Time first;
    Time last;
    int64_t asks = 0;
  };
  [[nodiscard]] bool over(const Run& run, Time now) const { return now - run.last >= decay_time_; }

  const Duration decay_time_;
  std::unordered_map<BoKey, Run> runs_;
  /// How many runs there may be before those that are over go.
  size_t tidy_at_ = 64;
};

}  // namespace panbo
