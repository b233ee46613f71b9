#include "client/lib/poll_until.h"

#include <poll.h>

#include <algorithm>

namespace panbo {
namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

timespec remaining(steady_clock::time_point deadline) {
  const nanoseconds left = std::max<nanoseconds>(deadline - steady_clock::now(), nanoseconds::zero());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
  return {.tv_sec = static_cast<time_t>(seconds.count()), .tv_nsec = static_cast<long>((left - seconds).count())};
}

}  // namespace

Deadline deadline_after(int64_t timeout_ns) {
  if (timeout_ns < 0) return std::nullopt;
  const auto now = steady_clock::now();
  return now + std::min<nanoseconds>(nanoseconds(timeout_ns), steady_clock::time_point::max() - now);
}

Result<short> poll_until(int fd, short events, Deadline deadline, int or_readable) {
  pollfd fds[] = {{.fd = fd, .events = events, .revents = 0}, {.fd = or_readable, .events = POLLIN, .revents = 0}};
  const nfds_t count = or_readable != kNoFd ? 2 : 1;
  for (;;) {
    const timespec left = deadline ? remaining(*deadline) : timespec{};
    const int ready = ::ppoll(fds, count, deadline ? &left : nullptr, nullptr);
    if (ready > 0) return fds[0].revents;
    if (ready == 0) return short{0};
    if (errno != EINTR) return Errno::last();
  }
}

}  // namespace panbo
