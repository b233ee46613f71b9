#include "tests/board/gpu_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <xf86drm.h>

#include <ctime>

namespace panbo::test {

Result<uint32_t> GpuFile::create(uint32_t size, uint32_t flags) {
  uapi::CreateBo request{.size = size, .flags = flags};
  if (drmIoctl(fd(), uapi::kCreateBo, &request) != 0) return Errno::last();
  return request.handle;
}

UniqueFd GpuFile::export_bo(uint32_t handle) {
  int exported = -1;
  EXPECT_EQ(drmPrimeHandleToFD(fd(), handle, DRM_CLOEXEC | DRM_RDWR, &exported), 0) << Errno::last().message();
  return UniqueFd(exported);
}

Result<bool> GpuFile::madvise(uint32_t handle, uint32_t advice) {
  uapi::Madvise request{.handle = handle, .madv = advice};
  if (drmIoctl(fd(), uapi::kMadvise, &request) != 0) return Errno::last();
  return request.retained != 0;
}

Result<void> GpuFile::wait(uint32_t handle, int64_t deadline_ns) {
  uapi::WaitBo request{.handle = handle, .timeout_ns = deadline_ns};
  if (drmIoctl(fd(), uapi::kWaitBo, &request) != 0) return Errno::last();
  return {};
}

Result<std::span<unsigned char>> GpuFile::map(uint32_t handle, size_t size) {
  uapi::MmapBo request{.handle = handle};
  if (drmIoctl(fd(), uapi::kMmapBo, &request) != 0) return Errno::last();
  void* bytes = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd(), static_cast<off_t>(request.offset));
  if (bytes == MAP_FAILED) return Errno::last();
  return std::span(static_cast<unsigned char*>(bytes), size);
}

uint64_t GpuFile::gpu_address(uint32_t handle) {
  uapi::GetBoOffset request{.handle = handle};
  EXPECT_EQ(drmIoctl(fd(), uapi::kGetBoOffset, &request), 0) << Errno::last().message();
  return request.offset;
}

int64_t monotonic_ns(std::chrono::nanoseconds from_now) {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec + from_now.count();
}

}  // namespace panbo::test
