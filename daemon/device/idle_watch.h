// Which of the BOs that are being watched became idle: an epoll set that the reactor sees as a single fd.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "daemon/core/device.h"
#include "daemon/core/ids.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo {

/// Whether a BO is busy, by its *idle fd*: one that polls writable exactly while no GPU job uses the BO. That is how
/// dma-bufs behave. Errors: those of poll(2), EBADF.
Result<Usage> usage_of(int idle_fd);

/// Thread-safe, but see take_idle().
class IdleWatch {
 public:
  /// Errors: those of epoll_create1(2).
  static Result<std::unique_ptr<IdleWatch>> open();

  /// Keeps `idle_fd` until unwatch(). Asked for kBusy, `id` is given out once by take_idle() when the fd became
  /// writable. `id` must not be watched. Errors: ENOMEM, EBADF; then the fd is closed and `id` is not watched.
  Result<Usage> watch(BoId id, UniqueFd idle_fd);

  /// Closes the idle fd. take_idle() does not give `id` out any more. Does nothing if it is not watched.
  void unwatch(BoId id);

  /// The idle fd of `id`, borrowed until unwatch(); -1 if it is not watched.
  [[nodiscard]] int fd_of(BoId id) const;

  /// Readable (level) when take_idle() may have something to give. Borrowed.
  [[nodiscard]] int event_fd() const { return epoll_.get(); }

  /// Appends ids that became idle, each once; at most kBatch a call, the rest at the next. Only from the thread that
  /// calls unwatch() for watched ids, or else an id might be given out right after its unwatch().
  void take_idle(std::vector<BoId>& out);

  static constexpr int kBatch = 64;

 private:
  struct Watched {
    UniqueFd fd;
    bool in_set = false;
  };

  explicit IdleWatch(UniqueFd epoll) : epoll_(std::move(epoll)) {}

  UniqueFd epoll_;
  mutable std::mutex mutex_;
  std::unordered_map<BoId, Watched> watched_;
};

}  // namespace panbo
