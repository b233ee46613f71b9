// The panfrost driver by its ioctls. There is no libdrm in between: of it only drmIoctl() would be used, and that is a
// loop.
//
// The ioctls are made with syscall(2), since ioctl(2) may be somebody else's: a library that watches a driver's calls,
// as panbo-run's does, must not see ours.

#include "client/lib/drm_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <array>
#include <string_view>

#include "client/include/panbo.h"
#include "proto/panfrost_uapi.h"

namespace panbo {
namespace {

constexpr std::string_view kDriver = "panfrost";

Result<void> ioctl_of(int fd, unsigned long request, void* argument) {
  while (::syscall(SYS_ioctl, fd, request, argument) < 0) {
    if (errno != EINTR && errno != EAGAIN) return Errno::last();
  }
  return {};
}

uint32_t create_flags(uint32_t flags) {
  return ((flags & PANBO_BO_EXECUTABLE) != 0 ? 0 : uapi::kBoNoexec) |
         ((flags & PANBO_BO_HEAP) != 0 ? uapi::kBoHeap : 0);
}

// What the kernel wants for "without limit" is a point in time that does not come.
int64_t monotonic_ns(Deadline deadline) {
  if (!deadline) return INT64_MAX;
  // The steady clock of libstdc++ is CLOCK_MONOTONIC.
  return std::chrono::nanoseconds(deadline->time_since_epoch()).count();
}

class PanfrostFile final : public DrmFile {
 public:
  explicit PanfrostFile(int fd) : fd_(fd) {}

  Result<uint32_t> import_bo(int dma_buf) override {
    drm_prime_handle request{.handle = 0, .flags = 0, .fd = dma_buf};
    const auto done = ioctl_of(fd_, DRM_IOCTL_PRIME_FD_TO_HANDLE, &request);
    // EINVAL: it is no dma-buf at all, which is what a daemon without a GPU lends.
    if (!done) return done.error() == Errno{EINVAL} ? Errno{EXDEV} : done.error();
    return request.handle;
  }

  Result<uint32_t> create_bo(uint64_t size, uint32_t flags) override {
    // The field has 32 bits, and would cut a larger size to a smaller one.
    if (size > UINT32_MAX) return Errno{EINVAL};
    uapi::CreateBo request{.size = static_cast<uint32_t>(size), .flags = create_flags(flags)};
    const auto done = ioctl_of(fd_, uapi::kCreateBo, &request);
    if (!done) return done.error();
    return request.handle;
  }

  void close_bo(uint32_t handle) override {
    drm_gem_close request{.handle = handle, .pad = 0};
    static_cast<void>(ioctl_of(fd_, DRM_IOCTL_GEM_CLOSE, &request));
  }

  Result<UniqueFd> export_bo(uint32_t handle) override {
    drm_prime_handle request{.handle = handle, .flags = DRM_CLOEXEC | DRM_RDWR, .fd = -1};
    const auto done = ioctl_of(fd_, DRM_IOCTL_PRIME_HANDLE_TO_FD, &request);
    if (!done) return done.error();
    return UniqueFd(request.fd);
  }

  Result<uint64_t> gpu_address(uint32_t handle) override {
    uapi::GetBoOffset request{.handle = handle};
    if (!ioctl_of(fd_, uapi::kGetBoOffset, &request)) return Errno{EIO};
    return request.offset;
  }

  Result<void*> map(uint32_t handle, uint64_t size) override {
    uapi::MmapBo request{.handle = handle};
    if (const auto done = ioctl_of(fd_, uapi::kMmapBo, &request); !done) return done.error();
    void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, static_cast<off_t>(request.offset));
    if (memory == MAP_FAILED) return Errno::last();
    return memory;
  }

  Result<void> wait(uint32_t handle, Deadline deadline) override {
    uapi::WaitBo request{.handle = handle, .timeout_ns = monotonic_ns(deadline)};
    const auto done = ioctl_of(fd_, uapi::kWaitBo, &request);
    if (done) return {};
    // EBUSY: the deadline had passed before the call.
    const bool is_busy = done.error() == Errno{EBUSY} || done.error() == Errno{ETIMEDOUT};
    return is_busy ? Errno{ETIMEDOUT} : Errno{EIO};
  }

 private:
  const int fd_;
};

}  // namespace

Result<std::unique_ptr<DrmFile>> open_drm_file(int fd) {
  // Longer names of other drivers are cut.
  std::array<char, kDriver.size() + 1> name{};
  drm_version version{};
  version.name = name.data();
  version.name_len = name.size();
  if (!ioctl_of(fd, DRM_IOCTL_VERSION, &version)) return Errno{ENOTSUP};
  if (version.name_len != kDriver.size() || std::string_view(name.data(), kDriver.size()) != kDriver) {
    return Errno{ENOTSUP};
  }
  return std::unique_ptr<DrmFile>(std::make_unique<PanfrostFile>(fd));
}

}  // namespace panbo
