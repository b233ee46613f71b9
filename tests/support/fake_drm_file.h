// A DRM file for tests of the client: any fd is a BO to it, and it knows which handles are open.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "client/lib/drm_file.h"

namespace panbo::test {

class FakeDrmFile final : public DrmFile {
 public:
  /// What has been asked of any of them that shares it, and what answers to give. Thread-safe.
  class Kernel {
   public:
    /// Handles that are open, in the order in which they were opened.
    [[nodiscard]] std::vector<uint32_t> open() const;
    /// Asked so far: imports, exports, waits and so on.
    [[nodiscard]] int calls() const;
    /// The BO is busy until it is said to be idle.
    void set_busy(uint32_t handle, bool busy);
    /// Every import, creation or export fails so from now on; nothing: not any more.
    void fail_with(std::optional<Errno> error);

   private:
    friend class FakeDrmFile;
    struct Bo {
      UniqueFd dma_buf;
      bool busy = false;
    };
    mutable std::mutex mutex_;
    std::map<uint32_t, Bo> bos_;
    uint32_t last_handle_ = 0;
    int calls_ = 0;
    std::optional<Errno> failure_;
  };

  /// The kernel is borrowed.
  explicit FakeDrmFile(Kernel& kernel) : kernel_(kernel) {}

  Result<uint32_t> import_bo(int dma_buf) override;
  Result<uint32_t> create_bo(uint64_t size, uint32_t flags) override;
  void close_bo(uint32_t handle) override;
  Result<UniqueFd> export_bo(uint32_t handle) override;
  Result<uint64_t> gpu_address(uint32_t handle) override;
  Result<void*> map(uint32_t handle, uint64_t size) override;
  Result<void> wait(uint32_t handle, Deadline deadline) override;

 private:
  Kernel& kernel_;
};

/// Where the GPU sees the BO of a handle.
[[nodiscard]] constexpr uint64_t fake_gpu_address(uint32_t handle) {
  return uint64_t{handle} << 32;
}

}  // namespace panbo::test
