// A busy BO has an eventfd whose counter is full: it cannot be written to, hence does not poll writable, like the
// dma-buf of a busy BO. Reading it makes it writable, and wakes whoever waits for that. So the very IdleWatch that
// serves panfrost serves the simulation.
//
// Durations share one timerfd, which the reactor sees through the device's event fd: no thread, no tick.

#include "daemon/device/sim_jobs.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>

namespace panbo {
namespace {

// The kernel's steady clock is CLOCK_MONOTONIC.
Time now() {
  return std::chrono::steady_clock::now();
}

Result<UniqueFd> full_eventfd() {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event.valid()) return Errno::last();
  if (::eventfd_write(event.get(), UINT64_MAX - 1) < 0) return Errno::last();
  return event;
}

}  // namespace

Result<SimJobs> SimJobs::open() {
  UniqueFd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer.valid()) return Errno::last();
  return SimJobs(std::move(timer));
}

Result<void> SimJobs::start(uint32_t handle, std::optional<Duration> duration) {
  // More than a century from now is for ever; the sum must not overflow.
  constexpr Duration kForEver = std::chrono::hours(24) * 36525;
  const Time until = duration && *duration < kForEver ? now() + *duration : Time::max();
  const auto found = busy_.find(handle);
  if (found == busy_.end()) {
    auto event = full_eventfd();
    if (!event) return event.error();
    busy_.emplace(handle, Busy{.event = *std::move(event), .until = until});
  } else {
    due_.erase({found->second.until, handle});
    found->second.until = std::max(found->second.until, until);
  }
  const Time last = busy_.at(handle).until;
  if (last != Time::max()) due_.insert({last, handle});
  arm_timer();
  return {};
}

void SimJobs::end(uint32_t handle) {
  const auto found = busy_.find(handle);
  if (found == busy_.end()) return;
  eventfd_t full;
  ::eventfd_read(found->second.event.get(), &full);
  due_.erase({found->second.until, handle});
  busy_.erase(found);
  arm_timer();
}

void SimJobs::end_due() {
  if (due_.empty()) return;
  const Time time = now();
  while (!due_.empty() && due_.begin()->first <= time) end(due_.begin()->second);
}

Result<std::optional<UniqueFd>> SimJobs::idle_fd(uint32_t handle) const {
  const auto found = busy_.find(handle);
  if (found == busy_.end()) return std::optional<UniqueFd>();
  UniqueFd fd(::fcntl(found->second.event.get(), F_DUPFD_CLOEXEC, 0));
  if (!fd.valid()) return Errno::last();
  return std::optional<UniqueFd>(std::move(fd));
}

// Setting the timer also makes it unreadable, so it is never read.
void SimJobs::arm_timer() const {
  itimerspec spec{};
  if (!due_.empty()) {
    const auto since_boot = due_.begin()->first.time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
    spec.it_value.tv_sec = seconds.count();
    spec.it_value.tv_nsec = (since_boot - seconds).count();
  }
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

}  // namespace panbo
