// A device without hardware, for developers' machines and tests, and the strings that make it do what a real one does
// when it pleases. They mirror Simulate in panbo.proto.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "daemon/core/clock.h"
#include "daemon/device/backend.h"
#include "proto/result.h"

namespace panbo {

/// Thread-safe. BOs are named by the inode of their fds, which both the daemon and its clients know.
class SimControl {
 public:
  virtual ~SimControl() = default;

  /// A GPU job that uses the BO, for `duration` or, without one, until end_job(). A BO that has a job already stays
  /// busy until both are over. Errors: ENOENT no BO has this inode; EINVAL a negative duration; EMFILE.
  virtual Result<void> start_job(uint64_t inode, std::optional<Duration> duration) = 0;

  /// Ends every job that uses the BO; it may have none. Errors: ENOENT no BO has this inode.
  virtual Result<void> end_job(uint64_t inode) = 0;

  /// The next `times` calls of a kind fail with `error`, as if the kernel's call did; 0 takes that back. `call` is
  /// "create", "export", "evictable", "unevictable" or "watch". Errors: EINVAL for another one, or for an error that is
  /// no errno.
  virtual Result<void> fail_next(std::string_view call, Errno error, uint32_t times) = 0;

  /// The kernel's shrinker takes the pages of every evictable BO.
  virtual Result<void> purge() = 0;

  /// Bytes that all BOs may have together, from the next create() on; 0 is no limit. Heap BOs have no pages until the
  /// GPU faults them in, and are not counted.
  virtual Result<void> set_memory_limit(uint64_t bytes) = 0;
};

class SimBackend : public Backend, public SimControl {};

/// When the system's memory is taken and cleared.
enum class SimClearing {
  /// When somebody touches it: a BO costs nothing to make, whatever its size.
  kWhenTouched,
  /// In create(), as on a real device.
  kWhenMade,
};

/// Opens a simulated device. Errors: ENOTSUP the kernel does not grant file leases on memfds; EMFILE, ENOMEM.
Result<std::unique_ptr<SimBackend>> open_sim(SimClearing clearing = SimClearing::kWhenTouched);

}  // namespace panbo
