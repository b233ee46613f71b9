// The caller's DRM file: what the kernel's GPU driver does with BOs for this process.
#pragma once

#include <cstdint>
#include <memory>

#include "client/lib/poll_until.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo {

/// Thread-safe. An interface, so that tests have a kernel of their own.
class DrmFile {
 public:
  virtual ~DrmFile() = default;

  /// Opens a handle of a BO whose dma-buf this is, borrowed. A BO that has one already gets the same, and they are not
  /// counted: the first close() closes it. Errors: EXDEV it is no BO of this device; ENOMEM; ENOSPC no GPU addresses.
  virtual Result<uint32_t> import_bo(int dma_buf) = 0;

  /// Makes a BO of `size` bytes, a multiple of the page size, with the `flags` PANBO_BO_*; it reads as zero.
  /// Errors: EINVAL; ENOMEM; ENOSPC.
  virtual Result<uint32_t> create_bo(uint64_t size, uint32_t flags) = 0;

  virtual void close_bo(uint32_t handle) = 0;

  /// Another fd of the BO's dma-buf. Errors: EMFILE; ENFILE; ENOMEM.
  virtual Result<UniqueFd> export_bo(uint32_t handle) = 0;

  /// Where the GPU sees the BO. Errors: EIO.
  virtual Result<uint64_t> gpu_address(uint32_t handle) = 0;

  /// Maps all of the BO; the caller unmaps it. Errors: ENOMEM; EINVAL a heap.
  virtual Result<void*> map(uint32_t handle, uint64_t size) = 0;

  /// Waits until no job uses the BO. Errors: ETIMEDOUT; EIO.
  virtual Result<void> wait(uint32_t handle, Deadline deadline) = 0;
};

/// `fd` is borrowed. Errors: ENOTSUP it is no DRM file of the panfrost driver.
Result<std::unique_ptr<DrmFile>> open_drm_file(int fd);

}  // namespace panbo
