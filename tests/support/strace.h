// What a process asks of the kernel, as strace sees it.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "proto/unique_fd.h"

namespace panbo::test {

class Strace {
 public:
  /// Attaches to all threads of a process; needs root. Throws std::runtime_error.
  explicit Strace(pid_t pid);
  /// Detaches.
  ~Strace();
  Strace(const Strace&) = delete;
  Strace& operator=(const Strace&) = delete;

  /// Detaches, and returns what was seen, one syscall a line.
  std::vector<std::string> stop();
  /// Waits until the traced process has ended. What it returns is the same.
  std::vector<std::string> wait();

 private:
  std::string output_;
  /// What it says on stderr. It is not much.
  UniqueFd messages_;
  pid_t strace_ = -1;
};

}  // namespace panbo::test
