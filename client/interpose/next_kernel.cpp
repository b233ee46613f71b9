#include "client/interpose/next_kernel.h"

#include <dlfcn.h>
#include <drm.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <string_view>

namespace panbo::interpose {
namespace {

constexpr unsigned kDrmMajor = 226;

template <class Function>
void look_up(Function*& function, const char* name) {
  function = reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

const NextFunctions& next_functions() {
  static const NextFunctions functions = [] {
    NextFunctions found{};
    look_up(found.ioctl, "ioctl");
    look_up(found.close, "close");
    look_up(found.dup2, "dup2");
    look_up(found.dup3, "dup3");
    look_up(found.close_range, "close_range");
    return found;
  }();
  return functions;
}

int NextKernel::ioctl(const IoctlCall& call) {
  return next_functions().ioctl(call.fd, call.request, call.argument);
}

Kernel::FileKind NextKernel::kind(int fd) {
  const int errno_before = errno;
  struct stat status {};
  FileKind kind = FileKind::kNotDrm;
  if (::fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) && major(status.st_rdev) == kDrmMajor) {
    char name[64] = "";
    drm_version version{};
    version.name = name;
    version.name_len = sizeof(name);
    const bool answered = ioctl({fd, DRM_IOCTL_VERSION, &version}) == 0 && version.name_len <= sizeof(name);
    const bool is_panfrost = answered && std::string_view(name, version.name_len) == "panfrost";
    kind = is_panfrost ? FileKind::kPanfrost : FileKind::kOtherDrm;
  }
  errno = errno_before;
  return kind;
}

Result<bool> NextKernel::is_same_file(int a, int b) {
  const pid_t self = ::getpid();
  const long order = ::syscall(SYS_kcmp, self, self, KCMP_FILE, a, b);
  if (order < 0) return Errno::last();
  return order == 0;
}

// Not one of the standard ones, which programs replace.
Result<int> NextKernel::duplicate(int fd) {
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (copy < 0) return Errno::last();
  return copy;
}

void NextKernel::close(int fd) {
  next_functions().close(fd);
}

int NextKernel::process_id() {
  return ::getpid();
}

}  // namespace panbo::interpose
