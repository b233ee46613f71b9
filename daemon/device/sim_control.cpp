// What makes the simulated device act: the part of it that a GPU and a kernel would do by themselves.

#include "daemon/device/sim_control.h"

#include <sys/epoll.h>

#include "daemon/device/sim_device.h"

namespace panbo {
namespace {

bool add_readable(const UniqueFd& epoll, int fd) {
  epoll_event event{.events = EPOLLIN, .data = {}};
  return ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

Result<void> SimDevice::start_job(uint64_t inode, std::optional<Duration> duration) {
  if (duration && *duration < Duration::zero()) return Errno{EINVAL};
  const std::lock_guard lock(mutex_);
  const auto found = by_inode_.find(inode);
  if (found == by_inode_.end()) return Errno{ENOENT};
  return jobs_.start(found->second, duration);
}

Result<void> SimDevice::end_job(uint64_t inode) {
  const std::lock_guard lock(mutex_);
  const auto found = by_inode_.find(inode);
  if (found == by_inode_.end()) return Errno{ENOENT};
  jobs_.end(found->second);
  return {};
}

Result<void> SimDevice::fail_next(std::string_view call, Errno error, uint32_t times) {
  constexpr int kMaxErrno = 4095;
  const auto known = sim_call_named(call);
  if (!known || error.value <= 0 || error.value > kMaxErrno) return Errno{EINVAL};
  const std::lock_guard lock(mutex_);
  faults_.fail_next(*known, error, times);
  return {};
}

Result<void> SimDevice::purge() {
  const std::lock_guard lock(mutex_);
  for (auto& [handle, bo] : bos_) {
    if (!bo.evictable || bo.purged) continue;
    if (const auto done = SimMemory::discard(bo.pages); !done) return done;
    bo.purged = true;
    memory_used_ -= bo.charged;
    bo.charged = 0;
  }
  return {};
}

Result<void> SimDevice::set_memory_limit(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  memory_limit_ = bytes == 0 ? UINT64_MAX : bytes;
  return {};
}

Result<std::unique_ptr<SimBackend>> open_sim(SimClearing clearing) {
  auto memory = SimMemory::open();
  if (!memory) return memory.error();
  auto jobs = SimJobs::open();
  if (!jobs) return jobs.error();
  auto idle = IdleWatch::open();
  if (!idle) return idle.error();
  UniqueFd events(::epoll_create1(EPOLL_CLOEXEC));
  if (!events.valid() || !add_readable(events, (*idle)->event_fd()) || !add_readable(events, jobs->timer_fd())) {
    return Errno::last();
  }
  return std::unique_ptr<SimBackend>(
      std::make_unique<SimDevice>(clearing, *std::move(memory), *std::move(jobs), *std::move(idle), std::move(events)));
}

}  // namespace panbo
