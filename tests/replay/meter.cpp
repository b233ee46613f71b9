#include "tests/replay/meter.h"

#include <algorithm>

namespace panbo::replay {
namespace {

double seconds(Duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

Meter::Meter(Duration activity, Duration length, size_t spans) : activity_(activity), length_(length) {
  curve_.span = length / static_cast<int64_t>(spans);
  curve_.most.resize(spans);
}

void Meter::set(uint64_t bytes, Duration now) {
  hold_until(now);
  if (bytes == 0 && bytes_ > 0) empty_since_ = now;
  if (bytes > 0) empty_since_.reset();
  bytes_ = bytes;
  peak_ = std::max(peak_, bytes);
  uint64_t& most = curve_.most[span_of(now)];
  most = std::max(most, bytes);
}

void Meter::hold_until(Duration time) {
  if (now_ < activity_) area_ += static_cast<double>(bytes_) * seconds(std::min(time, activity_) - now_);
  // What happens at the very moment still counts: so the amount at a time is the last that was set at or before it.
  if (now_ <= activity_) at_end_ = bytes_;
  if (now_ <= activity_ + kIdleLimit) when_idle_ = bytes_;
  for (size_t i = span_of(now_) + 1; i <= span_of(time); ++i) curve_.most[i] = bytes_;
  now_ = time;
}

// The end belongs to the last one.
size_t Meter::span_of(Duration time) const {
  return std::min(static_cast<size_t>(time / curve_.span), curve_.most.size() - 1);
}

void Meter::finish(Metrics& metrics, Curve& curve) {
  hold_until(length_);
  metrics.peak_cached = peak_;
  metrics.mean_cached = activity_ > Duration{} ? static_cast<uint64_t>(area_ / seconds(activity_)) : 0;
  metrics.cached_at_end = at_end_;
  metrics.cached_when_idle = when_idle_;
  if (empty_since_) metrics.time_to_give_back = std::max(*empty_since_ - activity_, Duration{});
  curve = std::move(curve_);
}

}  // namespace panbo::replay
