// Waiting for an fd up to a point in time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "proto/result.h"

namespace panbo {

/// Nothing: no limit.
using Deadline = std::optional<std::chrono::steady_clock::time_point>;

/// From now on, in nanoseconds; negative: no limit.
[[nodiscard]] Deadline deadline_after(int64_t timeout_ns);

inline constexpr int kNoFd = -1;

/// Waits until poll(2) reports any event for `fd`, and says which; 0 when the deadline came first, or the fd
/// `or_readable` became readable. Looks at least once. Restarts on EINTR. Errors: those of ppoll(2).
Result<short> poll_until(int fd, short events, Deadline deadline, int or_readable = kNoFd);

}  // namespace panbo
