#include "tests/board/mesa/next_ioctl.h"

#include <dlfcn.h>
#include <drm.h>

#include <cstdint>

namespace panbo::test {

int next_ioctl(int fd, unsigned long request, void* argument) {
  using Ioctl = int(int fd, unsigned long request, ...);
  static auto* next = reinterpret_cast<Ioctl*>(dlsym(RTLD_NEXT, "ioctl"));
  return next(fd, request, argument);
}

int finish(int fd, const uapi::Submit& job) {
  if (job.out_sync == 0) return 0;
  drm_syncobj_array done{.handles = reinterpret_cast<uintptr_t>(&job.out_sync), .count_handles = 1};
  return next_ioctl(fd, DRM_IOCTL_SYNCOBJ_SIGNAL, &done);
}

}  // namespace panbo::test
