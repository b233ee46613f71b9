// The functions that panbo-run stands in front of: those of the C library, or of the next preloaded library.
#pragma once

#include "client/interpose/kernel.h"

namespace panbo::interpose {

/// The next definition of each, behind ours.
struct NextFunctions {
  int (*ioctl)(int fd, unsigned long request, ...);
  int (*close)(int fd);
  int (*dup2)(int from, int to);
  int (*dup3)(int from, int to, int flags);
  int (*close_range)(unsigned first, unsigned last, int flags);
};

const NextFunctions& next_functions();

class NextKernel final : public Kernel {
 public:
  int ioctl(const IoctlCall& call) override;
  FileKind kind(int fd) override;
  Result<bool> is_same_file(int a, int b) override;
  Result<int> duplicate(int fd) override;
  void close(int fd) override;
  int process_id() override;
};

}  // namespace panbo::interpose
