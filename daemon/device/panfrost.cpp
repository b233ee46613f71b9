// BOs of the kernel's panfrost driver.
//
// An arena is one more open file of the same render node: the kernel gives each its own GPU address space, and handles
// that are valid only there. A BO is named by (arena, handle); nothing of it is kept here until it is watched.
//
// A watched BO is exported once more, and that dma-buf fd answers two questions:
//  - Is it idle? The fd polls writable when every job that uses the BO is done, whoever submitted it (IdleWatch).
//  - Does somebody else have it? The dma-buf's reference count, against what it is for a BO that only we have. That
//    baseline depends on the kernel; it is measured when the device is opened.
//
// The order of the two looks matters. While the BO is busy the count is no use, since a poll that waits for a fence
// holds a reference. When the count says "only us", nobody can submit a job any more; but a job may have been submitted
// after the idle event and before its submitter let go. So after the count comes one more look at the fences.

#include "daemon/device/panfrost.h"

#include <fcntl.h>
#include <linux/dma-buf.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xf86drm.h>

#include <array>
#include <cassert>

#include "daemon/device/bo_size.h"
#include "daemon/device/dma_buf_refs.h"
#include "daemon/device/idle_watch.h"
#include "proto/cut_utf8.h"
#include "proto/panfrost_uapi.h"

namespace panbo {
namespace {

uint32_t create_flags(BoKind kind) {
  switch (kind) {
    case BoKind::kPlain:
      return uapi::kBoNoexec;
    case BoKind::kExecutable:
      return 0;
    case BoKind::kHeap:
      return uapi::kBoNoexec | uapi::kBoHeap;
  }
  assert(false);
  return uapi::kBoNoexec;
}

class PanfrostBackend final : public Backend {
 public:
  static Result<std::unique_ptr<Backend>> open(DrmNode node);

  [[nodiscard]] const BackendInfo& info() const override { return info_; }
  [[nodiscard]] DeviceLimits limits() const override {
    return {.page_size = page_size_,
            .max_bo_size = max_bo_size(page_size_),
            .max_executable_size = max_executable_size(page_size_)};
  }
  Result<ArenaId> open_arena() override;
  Result<DeviceBo> create(ArenaId arena, BoKind kind, uint64_t size) override;
  void destroy(BoId id, const DeviceBo& bo) override;
  Result<Usage> watch(BoId id, const DeviceBo& bo) override;
  void unwatch(BoId id) override { idle_->unwatch(id); }
  Result<Holders> holders(BoId id) override;
  Result<Holders> make_evictable(const DeviceBo& bo) override;
  Result<Pages> make_unevictable(const DeviceBo& bo) override;
  Result<ExportedBo> export_bo(const DeviceBo& bo) override;
  void set_name(int dma_buf, const std::string& name) override;
  [[nodiscard]] int event_fd() const override { return idle_->event_fd(); }
  void take_idle(std::vector<BoId>& out) override { idle_->take_idle(out); }

 private:
  PanfrostBackend(DrmNode node, std::unique_ptr<IdleWatch> idle, DmaBufRefs refs);

  [[nodiscard]] int drm_of(ArenaId arena) const { return arenas_[arena.value].get(); }
  [[nodiscard]] Result<UniqueFd> export_fd(const DeviceBo& bo) const;
  Result<bool> madvise(const DeviceBo& bo, uint32_t advice);
  void close_handle(const DeviceBo& bo);
  Result<void> measure_baseline();

  const uint64_t page_size_ = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  BackendInfo info_;
  // A fixed array, so that create() on another thread may read one slot while open_arena() fills the next.
  std::array<UniqueFd, kMaxArenas> arenas_;
  uint16_t arena_count_ = 1;
  std::unique_ptr<IdleWatch> idle_;
  DmaBufRefs refs_;
  uint64_t refs_of_ours_ = 0;
};

PanfrostBackend::PanfrostBackend(DrmNode node, std::unique_ptr<IdleWatch> idle, DmaBufRefs refs)
    : idle_(std::move(idle)), refs_(std::move(refs)) {
  info_.backend = "panfrost";
  info_.driver = node.driver + " " + std::to_string(node.major) + "." + std::to_string(node.minor) + "." +
                 std::to_string(node.patch);
  info_.node = std::move(node.path);
  arenas_[0] = std::move(node.fd);
}

Result<std::unique_ptr<Backend>> PanfrostBackend::open(DrmNode node) {
  auto idle = IdleWatch::open();
  if (!idle) return idle.error();
  auto refs = DmaBufRefs::open();
  if (!refs) return refs.error();
  std::unique_ptr<PanfrostBackend> backend(new PanfrostBackend(std::move(node), *std::move(idle), *std::move(refs)));
  if (const auto measured = backend->measure_baseline(); !measured) return measured.error();
  return std::unique_ptr<Backend>(std::move(backend));
}

Result<void> PanfrostBackend::measure_baseline() {
  const auto bo = create(ArenaId{0}, BoKind::kPlain, page_size_);
  if (!bo) return bo.error();
  Result<uint64_t> count = Errno{ENOTSUP};
  if (const auto fd = export_fd(*bo)) {
    count = refs_.count(fd->get());
  } else {
    count = fd.error();
  }
  close_handle(*bo);
  if (!count) return count.error();
  refs_of_ours_ = *count;
  return {};
}

Result<ArenaId> PanfrostBackend::open_arena() {
  if (arena_count_ == kMaxArenas) return Errno{EMFILE};
  UniqueFd drm(::open(info_.node.c_str(), O_RDWR | O_CLOEXEC));
  if (!drm.valid()) return Errno::last();
  arenas_[arena_count_] = std::move(drm);
  return ArenaId{arena_count_++};
}

Result<DeviceBo> PanfrostBackend::create(ArenaId arena, BoKind kind, uint64_t size) {
  // Checked before the ioctl, whose 32-bit field would cut a larger size to a smaller one.
  if (size == 0 || size > max_bo_size(page_size_)) return Errno{EINVAL};
  const uint64_t rounded = rounded_bo_size(kind, size, page_size_);
  uapi::CreateBo request{.size = static_cast<uint32_t>(rounded), .flags = create_flags(kind)};
  if (drmIoctl(drm_of(arena), uapi::kCreateBo, &request) < 0) return Errno::last();
  return DeviceBo{.arena = arena, .handle = request.handle, .size = rounded};
}

void PanfrostBackend::destroy(BoId id, const DeviceBo& bo) {
  idle_->unwatch(id);
  close_handle(bo);
}

void PanfrostBackend::close_handle(const DeviceBo& bo) {
  const int closed = drmCloseBufferHandle(drm_of(bo.arena), bo.handle);
  // It fails only for a handle that is not open: then somebody else's BO may have been closed before.
  assert(closed == 0);
  static_cast<void>(closed);
}

Result<UniqueFd> PanfrostBackend::export_fd(const DeviceBo& bo) const {
  int fd = -1;
  if (drmPrimeHandleToFD(drm_of(bo.arena), bo.handle, DRM_CLOEXEC | DRM_RDWR, &fd) < 0) return Errno::last();
  return UniqueFd(fd);
}

Result<ExportedBo> PanfrostBackend::export_bo(const DeviceBo& bo) {
  auto fd = export_fd(bo);
  if (!fd) return fd.error();
  struct stat status;
  if (::fstat(fd->get(), &status) < 0) return Errno::last();
  return ExportedBo{.fd = *std::move(fd), .inode = status.st_ino};
}

void PanfrostBackend::set_name(int dma_buf, const std::string& name) {
  std::string cut(cut_utf8(name, DMA_BUF_NAME_LEN - 1));
  static_cast<void>(drmIoctl(dma_buf, DMA_BUF_SET_NAME, cut.data()));
}

Result<Usage> PanfrostBackend::watch(BoId id, const DeviceBo& bo) {
  auto fd = export_fd(bo);
  if (!fd) return fd.error();
  return idle_->watch(id, *std::move(fd));
}

Result<Holders> PanfrostBackend::holders(BoId id) {
  const int fd = idle_->fd_of(id);
  assert(fd >= 0);
  auto count = refs_.count(fd);
  // The fence that made the BO idle wakes the waiter before it drops the waiter's reference. That takes no time, but
  // we may be faster.
  if (count && *count > refs_of_ours_) count = refs_.count(fd);
  if (!count) return count.error();
  if (*count > refs_of_ours_) return Holders::kOthersToo;
  const auto usage = usage_of(fd);
  if (!usage) return usage.error();
  return *usage == Usage::kIdle ? Holders::kOnlyUs : Holders::kOthersToo;
}

// The value is the ioctl's `retained`.
Result<bool> PanfrostBackend::madvise(const DeviceBo& bo, uint32_t advice) {
  uapi::Madvise request{.handle = bo.handle, .madv = advice};
  if (drmIoctl(drm_of(bo.arena), uapi::kMadvise, &request) < 0) return Errno::last();
  return request.retained != 0;
}

Result<Holders> PanfrostBackend::make_evictable(const DeviceBo& bo) {
  const auto done = madvise(bo, uapi::kDontNeed);
  if (done) return Holders::kOnlyUs;
  // The arguments are right, so this EINVAL has one cause: another DRM file has the BO open.
  if (done.error() == Errno{EINVAL}) return Holders::kOthersToo;
  return done.error();
}

Result<Pages> PanfrostBackend::make_unevictable(const DeviceBo& bo) {
  const auto retained = madvise(bo, uapi::kWillNeed);
  if (!retained) return retained.error();
  return *retained ? Pages::kRetained : Pages::kPurged;
}

}  // namespace

Result<std::unique_ptr<Backend>> make_panfrost(DrmNode node) {
  return PanfrostBackend::open(std::move(node));
}

}  // namespace panbo
