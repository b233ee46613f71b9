// What panbo-run asks of the kernel for itself, as an interface, so that tests need no GPU.
#pragma once

#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo::interpose {

/// One call of ioctl(2) by the program.
struct IoctlCall {
  int fd;
  unsigned long request;
  void* argument;
};

/// Thread-safe.
class Kernel {
 public:
  virtual ~Kernel() = default;

  /// As ioctl(2): -1 and errno on failure.
  virtual int ioctl(const IoctlCall& call) = 0;

  enum class FileKind { kPanfrost, kOtherDrm, kNotDrm };
  /// What `fd` is open on. Leaves errno alone.
  virtual FileKind kind(int fd) = 0;

  /// Whether both fds are of one open file, so that they have the same GEM handles. Errors: those of kcmp(2), EPERM and
  /// ENOSYS where it is not to be had.
  virtual Result<bool> is_same_file(int a, int b) = 0;

  /// Another fd of the same open file, CLOEXEC. Errors: EMFILE.
  virtual Result<int> duplicate(int fd) = 0;
  virtual void close(int fd) = 0;

  /// Of the calling process, also in a child that runs in its parent's memory (vfork).
  virtual int process_id() = 0;
};

}  // namespace panbo::interpose
