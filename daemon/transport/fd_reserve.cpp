// The kernel gives the lowest number that is free, so a number tells how many fds are open at least. Where closed ones
// have left holes there may be more, but whoever asks here never takes a number of the reserve.

#include "daemon/transport/fd_reserve.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>

#include "proto/unique_fd.h"

namespace panbo {
namespace {

// Several packets full of fds, and as many BOs that drain.
constexpr unsigned long kReserve = 256;

}  // namespace

unsigned long fd_reserve(unsigned long limit) {
  return std::min(kReserve, limit / 4);
}

bool only_reserved_fds_are_left(int any_fd) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  const UniqueFd lowest(::fcntl(any_fd, F_DUPFD_CLOEXEC, 0));
  if (!lowest.valid()) return true;
  return static_cast<unsigned long>(lowest.get()) + fd_reserve(limit.rlim_cur) >= limit.rlim_cur;
}

}  // namespace panbo
