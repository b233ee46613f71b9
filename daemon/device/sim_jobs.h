// GPU jobs of the simulated device: which BOs are busy, and until when.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "daemon/core/clock.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo {

/// Not thread-safe. BOs are named by their handles.
class SimJobs {
 public:
  /// Errors: those of timerfd_create(2).
  static Result<SimJobs> open();

  /// Makes the BO busy for `duration` from now on, or until end(). Errors: EMFILE, ENFILE, ENOMEM.
  Result<void> start(uint32_t handle, std::optional<Duration> duration);

  /// Ends every job of the BO, if it has any; its idle fd becomes writable.
  void end(uint32_t handle);

  /// Ends the jobs whose time has come.
  void end_due();

  /// A duplicate of an fd that becomes writable when the BO's jobs are over (see IdleWatch); none if the BO has no job.
  /// Errors: EMFILE.
  [[nodiscard]] Result<std::optional<UniqueFd>> idle_fd(uint32_t handle) const;

  [[nodiscard]] bool busy(uint32_t handle) const { return busy_.contains(handle); }

  /// Readable (level) when end_due() has something to do. Borrowed.
  [[nodiscard]] int timer_fd() const { return timer_.get(); }

 private:
  struct Busy {
    UniqueFd event;
    /// Time::max(): until end().
    Time until;
  };

  explicit SimJobs(UniqueFd timer) : timer_(std::move(timer)) {}
  void arm_timer() const;

  UniqueFd timer_;
  std::unordered_map<uint32_t, Busy> busy_;
  /// The busy BOs that become idle by themselves, the next one first.
  std::set<std::pair<Time, uint32_t>> due_;
};

}  // namespace panbo
