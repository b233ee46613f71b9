// What the core needs of a GPU driver, in the verbs of Mesa's pan_kmod: allocate, wait, make evictable, make
// unevictable. No fd and no clock appears here, so the whole service runs on a simulated device in virtual time.
//
// A BO that was released is *watched*: the device then tells when no GPU job uses it any more, and can tell whether
// somebody else still holds it. Watching costs an fd, so it lasts only while a BO is Draining or Held.
#pragma once

#include <cstdint>

#include "daemon/core/bo_kind.h"
#include "daemon/core/ids.h"
#include "proto/result.h"

namespace panbo {

/// The names under which the kernel knows a BO. A plain value: whoever holds it last must pass it to destroy().
struct DeviceBo {
  ArenaId arena;
  /// GEM handle, valid in its arena.
  uint32_t handle = 0;
  /// Bytes, as the kernel rounded them.
  uint64_t size = 0;
};

struct DeviceLimits {
  /// Bytes that every size is rounded up to a multiple of.
  uint64_t page_size = 4096;
  /// Largest size in bytes that create() can be asked for.
  uint64_t max_bo_size = 0;
  /// The same for a BO that is executable. A larger one has no place in the address space of any arena, not even of an
  /// empty one: create() would say ENOSPC, and to open another arena would be of no use.
  uint64_t max_executable_size = 0;
};

enum class Usage {
  /// No GPU job uses the BO.
  kIdle,
  /// A GPU job uses it; the device will tell when it no longer does.
  kBusy,
};

enum class Holders {
  /// Nobody but us has the BO, and no GPU job uses it.
  kOnlyUs,
  /// Somebody has an fd, a handle or a mapping of it, or a GPU job still uses it.
  kOthersToo,
};

enum class Pages {
  kRetained,
  /// The kernel took them while the BO was evictable; the BO is of no use any more.
  kPurged,
};

class Device {
 public:
  virtual ~Device() = default;

  [[nodiscard]] virtual DeviceLimits limits() const = 0;

  /// Opens one more arena, with an address space of its own. Arena 0 exists from the start.
  /// Errors: EMFILE, and those of opening the device.
  virtual Result<ArenaId> open_arena() = 0;

  /// Allocates a BO whose pages read as zero. May take long for large sizes. Thread-safe.
  /// Errors: ENOMEM no memory; ENOSPC no address space in this arena; EINVAL size 0 or beyond the limit.
  virtual Result<DeviceBo> create(ArenaId arena, BoKind kind, uint64_t size) = 0;

  /// Drops our handle, watched or not. Others who hold the BO keep it. Thread-safe for a BO that is not watched.
  virtual void destroy(BoId id, const DeviceBo& bo) = 0;

  /// Starts to watch a BO, which must not be watched. When kBusy is returned, `id` is reported once (by what the
  /// device's implementation offers for that) as soon as the BO is idle, unless unwatch() comes first.
  /// Errors: EMFILE and ENOMEM; then it is not watched.
  virtual Result<Usage> watch(BoId id, const DeviceBo& bo) = 0;

  /// Ends watching. Does nothing if the BO is not watched.
  virtual void unwatch(BoId id) = 0;

  /// Who holds a watched BO that was idle. Looks at the holders first and at the jobs afterwards: a holder can submit
  /// a job and go, but once there is no other holder no job can follow. A CPU mapping made through another process's
  /// own handle is not seen (docs/kernel-facts.md).
  virtual Result<Holders> holders(BoId id) = 0;

  /// Lets the kernel take the pages when memory is short. kOthersToo means that it refused, since another DRM file
  /// has the BO open.
  virtual Result<Holders> make_evictable(const DeviceBo& bo) = 0;

  /// Takes that permission back, and tells whether the pages are still there.
  virtual Result<Pages> make_unevictable(const DeviceBo& bo) = 0;
};

}  // namespace panbo
