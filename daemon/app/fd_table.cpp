// The kernel doubles a process's table of fds when it is full. If the process has threads, the one that needed the fd
// waits until no CPU can look at the old table any more, which takes some 10 ms: nobody would be served meanwhile, and
// a client can have it happen by taking BOs. A table never shrinks, so it is made large while there is one thread only.

#include "daemon/app/fd_table.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>

#include "proto/unique_fd.h"

namespace panbo {
namespace {

/// Half a MiB of the kernel's memory.
constexpr uint64_t kRoom = 65536;

}  // namespace

uint64_t raise_fd_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

void make_room_for_fds() {
  const uint64_t fds = std::min(raise_fd_limit(), kRoom);
  const UniqueFd any(::open("/", O_PATH | O_CLOEXEC));
  // The table reaches up to the highest fd that there ever was.
  const UniqueFd highest(::fcntl(any.get(), F_DUPFD_CLOEXEC, static_cast<int>(fds - 1)));
}

}  // namespace panbo
