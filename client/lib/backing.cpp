// The fd, the address and the mapping are made when they are first asked for, which several threads may do at once.
// Each makes its own then, and all but the first let go of it: that is rarer than a lock would be dear.
//
// With a DRM file the fd goes as soon as the BO is imported: a driver has thousands of BOs, and a process 1024 fds.

#include "client/lib/backing.h"

#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

namespace panbo {

Result<void> Backing::import(DrmFile& drm, const UniqueFd& dma_buf) {
  const auto handle = drm.import_bo(dma_buf.get());
  if (!handle) return handle.error();
  drm_ = &drm;
  handle_ = *handle;
  return {};
}

Result<void> Backing::create(DrmFile& drm, uint64_t size, uint32_t flags) {
  const auto handle = drm.create_bo(size, flags);
  if (!handle) return handle.error();
  drm_ = &drm;
  handle_ = *handle;
  return {};
}

Result<int> Backing::fd() {
  int known = fd_.load();
  if (known >= 0 || drm_ == nullptr) return known;
  auto made = drm_->export_bo(handle_);
  if (!made) return made.error();
  return fd_.compare_exchange_strong(known, made->get()) ? made->release() : known;
}

Result<uint32_t> Backing::handle() const {
  if (drm_ == nullptr) return Errno{ENOTSUP};
  return handle_;
}

Result<uint64_t> Backing::gpu_address() {
  if (drm_ == nullptr) return Errno{ENOTSUP};
  if (const uint64_t known = gpu_address_.load(std::memory_order_relaxed); known != 0) return known;
  const auto address = drm_->gpu_address(handle_);
  if (address) gpu_address_.store(*address, std::memory_order_relaxed);
  return address;
}

Result<void*> Backing::make_map(uint64_t size) {
  Result<void*> made = Errno{EIO};
  if (drm_ != nullptr) {
    made = drm_->map(handle_, size);
  } else if (void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0); memory != MAP_FAILED) {
    made = memory;
  } else {
    made = Errno::last();
  }
  if (!made) return made;
  mapped_bytes_ = size;
  if (void* known = nullptr; !memory_.compare_exchange_strong(known, *made)) {
    ::munmap(*made, size);
    return known;
  }
  return made;
}

Result<void> Backing::wait(Deadline deadline) {
  if (drm_ != nullptr) return drm_->wait(handle_, deadline);
  const auto events = poll_until(fd_, POLLOUT, deadline);
  if (!events) return events.error();
  if (*events == 0) return Errno{ETIMEDOUT};
  return (*events & POLLOUT) != 0 ? Result<void>() : Errno{EIO};
}

// The mapping goes before the handle, which is what it was made through.
void Backing::drop() {
  if (void* memory = memory_.exchange(nullptr); memory != nullptr) ::munmap(memory, mapped_bytes_);
  if (drm_ != nullptr) drm_->close_bo(handle_);
  drm_ = nullptr;
  UniqueFd(fd_.exchange(-1)).reset();
}

}  // namespace panbo
