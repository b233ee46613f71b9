// A Device as the daemon's process has it: with fds to lend, an fd to wait on, and a name to show.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/core/device.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo {

struct BackendInfo {
  /// "panfrost" or "sim".
  std::string backend;
  /// The driver's name and version, e.g. "panfrost 1.2.0".
  std::string driver;
  /// Path of the device node; empty for sim.
  std::string node;
};

/// A BO as it travels to a client.
struct ExportedBo {
  UniqueFd fd;
  /// st_ino of the fd, for the client to compare.
  uint64_t inode = 0;
};

class Backend : public Device {
 public:
  [[nodiscard]] virtual const BackendInfo& info() const = 0;

  /// A new fd for the BO, to be closed once it was sent. The BO must be unevictable. Errors: EMFILE, ENOMEM, ENFILE.
  virtual Result<ExportedBo> export_bo(const DeviceBo& bo) = 0;

  /// Gives the BO whose dma-buf this is a name, which the kernel shows to administrators (bufinfo, fdinfo). Longer ones
  /// are cut to 31 bytes. Where it cannot be set, nothing happens.
  virtual void set_name(int dma_buf, const std::string& name) = 0;

  /// Readable (level) when take_idle() has something to give. Borrowed, stays the same for the backend's life.
  [[nodiscard]] virtual int event_fd() const = 0;

  /// The watched BOs that became idle since the last call, each once; appended to `out`. There may be more left, for
  /// the next call. None was unwatched before this call; one may be while the caller goes through them.
  virtual void take_idle(std::vector<BoId>& out) = 0;
};

/// Opens the render node whose driver is panfrost, or `path` if it is not empty. Errors: ENODEV there is none;
/// EPROTONOSUPPORT its driver is older than 1.1 (NOEXEC, HEAP, madvise); else those of opening it. `why`, if not null,
/// receives a sentence for people that says what to do.
Result<std::unique_ptr<Backend>> open_panfrost(const std::string& path, std::string* why);

}  // namespace panbo
