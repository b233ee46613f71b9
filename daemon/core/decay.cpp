// limit() is the sum over the last kSteps steps of what entered in the step, times the curve at the step's age. What
// the limit drives out must stay in the sums: were it taken out, the limit would sink by it a second time.
//
// As long as the least recently used go first the sums need not know which bytes went. When a step leaves the ring,
// its bytes are allowed nothing any more, and all that is left of them is older than all the rest: so an unused cache
// is empty after the decay time.
//
// Since nothing enters between now and then, limit() only falls with time, and when_at_most() can search for its
// answer by halving.

#include "daemon/core/decay.h"

#include <algorithm>

namespace panbo {
namespace {

// The part of the decay time in which everything stays.
constexpr double kWhole = 0.75;

// What may stay of bytes of that age, 0 being new and 1 the decay time.
double curve(double age) {
  const double x = std::max(0.0, age - kWhole) / (1 - kWhole);
  return 1 - x * x * x * (x * (6 * x - 15) + 10);
}

}  // namespace

Decay::Decay(Duration time) : step_(std::max(time / kSteps, Duration(1))) {
}

void Decay::add(uint64_t bytes, Time since) {
  const int64_t step = index(since);
  if (step > newest_) {
    const int64_t skipped = std::min(step - newest_, kSteps);
    for (int64_t i = 1; i <= skipped; ++i) entered_[static_cast<size_t>((newest_ + i) % kSteps)] = 0;
    newest_ = step;
  }
  if (step > newest_ - kSteps) entered_[static_cast<size_t>(step % kSteps)] += bytes;
}

void Decay::remove(uint64_t bytes, Time since) {
  const int64_t step = index(since);
  if (step > newest_ - kSteps) entered_[static_cast<size_t>(step % kSteps)] -= bytes;
}

uint64_t Decay::limit(Time at) const {
  return limit_at(index(at));
}

Time Decay::when_at_most(uint64_t bytes, Time now) const {
  int64_t low = index(now);
  int64_t high = std::max(low, newest_ + kSteps);
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (limit_at(middle) <= bytes) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return std::max(now, Time(low * step_));
}

uint64_t Decay::limit_at(int64_t step) const {
  double allowed = 0;
  for (int64_t entered = std::max(newest_ - kSteps + 1, step - kSteps + 1); entered <= newest_; ++entered) {
    const uint64_t bytes = entered_[static_cast<size_t>(entered % kSteps)];
    const int64_t age = std::max<int64_t>(step - entered - 1, 0);
    if (bytes > 0) allowed += static_cast<double>(bytes) * curve(static_cast<double>(age) / (kSteps - 1));
  }
  return static_cast<uint64_t>(allowed);
}

}  // namespace panbo
