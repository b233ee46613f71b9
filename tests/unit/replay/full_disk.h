// A disk that gets full, for one process.
#pragma once

#include <sys/resource.h>

#include <csignal>

namespace panbo::replay {

/// From now on this process can write no file beyond so many bytes: like on a disk that gets full, the write that goes
/// beyond is taken in part, and the next one fails (EFBIG). For a child process, since that stays so.
inline void limit_files(rlim_t bytes) {
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{.rlim_cur = bytes, .rlim_max = bytes};
  ::setrlimit(RLIMIT_FSIZE, &limit);
}

}  // namespace panbo::replay
