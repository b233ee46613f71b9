// An idle fd is looked at with poll first, since most BOs are idle when they are released: those never enter the
// epoll set. One that is busy enters it for EPOLLOUT, "no job uses it", from any process. The kernel looks at it again
// when a fence signals, and not before: waiting costs nothing.
//
// EPOLLONESHOT makes it one event per watch. A dma-buf wakes its waiters also while it is looked at, and again after a
// later job; neither is news.
//
// An fd leaves the set by EPOLL_CTL_DEL, never by close alone: epoll's entry belongs to the open file, and a dma-buf's
// open file lives on in other fds. A closed fd's entry would go on reporting, under an fd number that means something
// else by then. Events carry the BoId, whose generation tells a BO from the next one in its slot.
//
// The mutex is for destroy() of unwatched BOs, which the device worker calls while the reactor watches others.

#include "daemon/device/idle_watch.h"

#include <poll.h>
#include <sys/epoll.h>

#include <array>
#include <cassert>

namespace panbo {

Result<Usage> usage_of(int idle_fd) {
  pollfd p{.fd = idle_fd, .events = POLLOUT, .revents = 0};
  int n;
  do {
    n = ::poll(&p, 1, 0);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return Errno::last();
  if ((p.revents & POLLNVAL) != 0) return Errno{EBADF};
  return (p.revents & POLLOUT) != 0 ? Usage::kIdle : Usage::kBusy;
}

Result<std::unique_ptr<IdleWatch>> IdleWatch::open() {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return Errno::last();
  return std::unique_ptr<IdleWatch>(new IdleWatch(std::move(epoll)));
}

Result<Usage> IdleWatch::watch(BoId id, UniqueFd idle_fd) {
  const auto usage = usage_of(idle_fd.get());
  if (!usage) return usage;

  const std::lock_guard lock(mutex_);
  const bool busy = *usage == Usage::kBusy;
  if (busy) {
    epoll_event event{.events = EPOLLOUT | EPOLLONESHOT, .data = {.u64 = id.value}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, idle_fd.get(), &event) < 0) {
      // ENOSPC is the user's limit of watches; to the caller it is memory that is not there.
      return errno == ENOSPC ? Errno{ENOMEM} : Errno::last();
    }
  }
  const bool is_new = watched_.try_emplace(id, Watched{.fd = std::move(idle_fd), .in_set = busy}).second;
  assert(is_new);
  static_cast<void>(is_new);
  return usage;
}

void IdleWatch::unwatch(BoId id) {
  // Closed after the mutex was given back: the last close of a BO frees its memory.
  UniqueFd fd;
  const std::lock_guard lock(mutex_);
  const auto found = watched_.find(id);
  if (found == watched_.end()) return;
  fd = std::move(found->second.fd);
  if (found->second.in_set) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd.get(), nullptr);
  watched_.erase(found);
}

int IdleWatch::fd_of(BoId id) const {
  const std::lock_guard lock(mutex_);
  const auto found = watched_.find(id);
  return found == watched_.end() ? -1 : found->second.fd.get();
}

void IdleWatch::take_idle(std::vector<BoId>& out) {
  std::array<epoll_event, kBatch> events;
  // An error (EINTR) means nothing this time; what is ready stays readable.
  const int n = ::epoll_wait(epoll_.get(), events.data(), kBatch, 0);
  for (int i = 0; i < n; ++i) {
    // Errors and hang-ups are reported unasked; they do not say that a BO is idle.
    if ((events[i].events & EPOLLOUT) != 0) out.push_back(BoId{events[i].data.u64});
  }
}

}  // namespace panbo
