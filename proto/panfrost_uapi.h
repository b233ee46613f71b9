// The part of the kernel's drm/panfrost_drm.h that panbo uses. Debian packages that header only with newer libdrm
// and for cross compilers, so it is restated here: names of our own, the kernel's layout and numbers. It is a stable
// kernel interface; the sizes, which the request numbers contain, are checked below.
#pragma once

#include <drm.h>

#include <cstdint>

namespace panbo::uapi {

/// The GPU must not execute from it.
inline constexpr uint32_t kBoNoexec = 1;
/// Grows on GPU page fault; only together with kBoNoexec.
inline constexpr uint32_t kBoHeap = 2;

struct CreateBo {
  uint32_t size;
  uint32_t flags;
  uint32_t handle;  // out
  uint32_t pad;
  uint64_t offset;  // out: GPU address
};
static_assert(sizeof(CreateBo) == 24);

struct WaitBo {
  uint32_t handle;
  uint32_t pad;
  int64_t timeout_ns;  // a point in time, of CLOCK_MONOTONIC
};
static_assert(sizeof(WaitBo) == 16);

struct MmapBo {
  uint32_t handle;
  uint32_t flags;
  uint64_t offset;  // out: where to mmap the DRM file
};
static_assert(sizeof(MmapBo) == 16);

struct GetBoOffset {
  uint32_t handle;
  uint32_t pad;
  uint64_t offset;  // out: GPU address
};
static_assert(sizeof(GetBoOffset) == 16);

inline constexpr uint32_t kWillNeed = 0;
inline constexpr uint32_t kDontNeed = 1;

struct Madvise {
  uint32_t handle;
  uint32_t madv;
  uint32_t retained;  // out: whether the pages are still there
};
static_assert(sizeof(Madvise) == 12);

struct Submit {
  uint64_t jc;  // GPU address of the job chain
  uint64_t in_syncs;
  uint32_t in_sync_count;
  uint32_t out_sync;
  uint64_t bo_handles;  // address of an array of uint32_t
  uint32_t bo_handle_count;
  uint32_t requirements;
};
static_assert(sizeof(Submit) == 40);

inline constexpr unsigned long kSubmit = DRM_IOW(DRM_COMMAND_BASE + 0x00, Submit);
inline constexpr unsigned long kWaitBo = DRM_IOW(DRM_COMMAND_BASE + 0x01, WaitBo);
inline constexpr unsigned long kCreateBo = DRM_IOWR(DRM_COMMAND_BASE + 0x02, CreateBo);
inline constexpr unsigned long kMmapBo = DRM_IOWR(DRM_COMMAND_BASE + 0x03, MmapBo);
inline constexpr unsigned long kGetBoOffset = DRM_IOWR(DRM_COMMAND_BASE + 0x05, GetBoOffset);
inline constexpr unsigned long kMadvise = DRM_IOWR(DRM_COMMAND_BASE + 0x08, Madvise);

}  // namespace panbo::uapi
