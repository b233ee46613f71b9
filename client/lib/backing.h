// What this process has of a BO: its dma-buf fd, its handle in the DRM file, its CPU mapping.
#pragma once

#include <atomic>
#include <cstdint>

#include "client/lib/drm_file.h"
#include "client/lib/poll_until.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo {

/// Thread-safe but for what takes a BO in and lets it go.
class Backing {
 public:
  Backing() = default;
  Backing(const Backing&) = delete;
  Backing& operator=(const Backing&) = delete;
  ~Backing() { drop(); }

  // One of these comes first, once.

  /// Without a DRM file the fd is all there is.
  void keep_fd(UniqueFd dma_buf) { fd_ = dma_buf.release(); }
  /// Keeps a handle in place of the fd. `drm` is borrowed. Errors: those of DrmFile::import_bo().
  Result<void> import(DrmFile& drm, const UniqueFd& dma_buf);
  /// Makes a BO. `drm` is borrowed. Errors: those of DrmFile::create_bo().
  Result<void> create(DrmFile& drm, uint64_t size, uint32_t flags);

  /// The dma-buf. Borrowed. Errors: those of DrmFile::export_bo().
  Result<int> fd();
  /// Whether the fd was made because the program asked for it.
  [[nodiscard]] bool was_exported() const { return drm_ != nullptr && fd_.load(std::memory_order_relaxed) >= 0; }
  /// Errors: ENOTSUP no DRM file.
  [[nodiscard]] Result<uint32_t> handle() const;
  /// Errors: as above; EIO.
  Result<uint64_t> gpu_address();
  /// `size`: all of it, the same at every call. Borrowed. Errors: those of mmap(2); EINVAL a heap.
  Result<void*> map(uint64_t size) {
    void* known = memory_.load(std::memory_order_acquire);
    return known != nullptr ? known : make_map(size);
  }
  /// Waits until no job uses the BO. Errors: ETIMEDOUT; EIO.
  Result<void> wait(Deadline deadline);

  /// Unmaps and closes everything.
  void drop();
  /// For a forked child: the handles are its parent's, whose DRM file it shares, and drop() will leave them alone.
  void disown() { drm_ = nullptr; }

 private:
  Result<void*> make_map(uint64_t size);

  /// nullptr: none.
  DrmFile* drm_ = nullptr;
  uint32_t handle_ = 0;
  std::atomic<int> fd_ = -1;
  /// 0: not asked for yet.
  std::atomic<uint64_t> gpu_address_ = 0;
  /// nullptr: not mapped yet.
  std::atomic<void*> memory_ = nullptr;
  std::atomic<uint64_t> mapped_bytes_ = 0;
};

}  // namespace panbo
