// A DRM file of the panfrost driver, with each ioctl's result as the kernel gives it.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>

#include "proto/panfrost_uapi.h"
#include "proto/result.h"
#include "proto/unique_fd.h"
#include "tests/board/panfrost_rig.h"

namespace panbo::test {

/// Its handles are closed with it. Throws if there is no panfrost GPU.
class GpuFile : public PanfrostPeer {
 public:
  Result<uint32_t> create(uint32_t size, uint32_t flags = uapi::kBoNoexec);

  /// Another fd of the BO's dma-buf.
  UniqueFd export_bo(uint32_t handle);

  /// Whether the pages are still there.
  Result<bool> madvise(uint32_t handle, uint32_t advice);

  /// WAIT_BO, with its deadline as the kernel takes it: nanoseconds of CLOCK_MONOTONIC.
  Result<void> wait(uint32_t handle, int64_t deadline_ns);

  /// Maps the BO through this file, not through a dma-buf.
  Result<std::span<unsigned char>> map(uint32_t handle, size_t size);

  /// Where the GPU sees it.
  uint64_t gpu_address(uint32_t handle);
};

/// CLOCK_MONOTONIC, some time from now.
int64_t monotonic_ns(std::chrono::nanoseconds from_now = {});

}  // namespace panbo::test
