// A library to preload into a program on a board: writes down what the program's Mesa driver asks the kernel for and
// gives back, and lets the program run as if its GPU worked.
//
// It stands where the driver calls ioctl(2). With PAN_MESA_DEBUG=nocache the driver's own cache is out of the way: each
// request of the driver for a BO is a CREATE_BO, and each BO that it gives back a GEM_CLOSE (panfrost_bo_cache_put()
// returns early). Both go on to the kernel.
//
// A SUBMIT does not: it is answered as done. For the record a job then lasts a frame: a BO that was submitted less than
// that before it is closed is still busy.
//
// Each event is one line, "TIME PROCESS WHAT…", in CLOCK_MONOTONIC nanoseconds, and one write(2) to a file that several
// processes append to. A process whose recording cannot be written stops: half a recording is none.

#include <drm.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <mutex>
#include <utility>

#include "proto/panfrost_uapi.h"
#include "tests/board/mesa/next_ioctl.h"

namespace {

using panbo::uapi::CreateBo;
using panbo::uapi::Submit;

constexpr int64_t kJobNs = 16'667'000;

int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
}

class Recorder {
 public:
  Recorder() {
    const char* path = std::getenv("PANBO_TEST_LOG");
    if (path != nullptr) fd_ = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    say("arrive %s", program_invocation_short_name);
  }
  ~Recorder() { say("depart"); }

  void created(int fd, const CreateBo& bo) {
    const std::lock_guard lock(mutex_);
    bos_[{fd, bo.handle}] = {.number = ++newest_};
    say("alloc %lu %u %u", newest_, bo.size, bo.flags);
  }

  void submitted(int fd, const Submit& job) {
    const std::lock_guard lock(mutex_);
    const auto* handles = reinterpret_cast<const uint32_t*>(job.bo_handles);
    for (uint32_t i = 0; i < job.bo_handle_count; ++i) {
      const auto bo = bos_.find({fd, handles[i]});
      if (bo != bos_.end()) bo->second.submitted_ns = now_ns();
    }
  }

  void closing(int fd, uint32_t handle) {
    const std::lock_guard lock(mutex_);
    const auto bo = bos_.extract({fd, handle});
    if (bo.empty()) return;
    const bool busy = now_ns() - bo.mapped().submitted_ns < kJobNs;
    say("release %lu %d", bo.mapped().number, busy ? 1 : 0);
  }

 private:
  struct KnownBo {
    uint64_t number = 0;
    int64_t submitted_ns = -kJobNs;
  };

  template <class... Values>
  void say(const char* format, Values... values) {
    char line[256];
    int length = std::snprintf(line, sizeof line, "%ld %d ", now_ns(), getpid());
    length += std::snprintf(line + length, sizeof line - length, format, values...);
    line[length++] = '\n';
    if (::write(fd_, line, length) != length) std::abort();
  }

  int fd_ = -1;
  std::mutex mutex_;
  uint64_t newest_ = 0;
  /// By DRM file and handle.
  std::map<std::pair<int, uint32_t>, KnownBo> bos_;
};

Recorder& recorder() {
  static Recorder of_this_process;
  return of_this_process;
}

}  // namespace

// The declaration of the C library, whose definition this one goes before.
extern "C" int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list arguments;
  va_start(arguments, request);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);

  if (request == panbo::uapi::kSubmit) {
    const auto& job = *static_cast<const Submit*>(argument);
    recorder().submitted(fd, job);
    return panbo::test::finish(fd, job);
  }
  if (request == DRM_IOCTL_GEM_CLOSE) recorder().closing(fd, static_cast<const drm_gem_close*>(argument)->handle);
  const int result = panbo::test::next_ioctl(fd, request, argument);
  if (request == panbo::uapi::kCreateBo && result == 0) recorder().created(fd, *static_cast<const CreateBo*>(argument));
  return result;
}
