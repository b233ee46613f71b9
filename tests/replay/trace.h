// A trace in memory: what clients asked for and gave back, in order.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "daemon/core/clock.h"

namespace panbo::replay {

struct Arrive {
  std::string name;
  uint32_t uid = 0;
};
struct Depart {};
struct Alloc {
  uint64_t bo = 0;
  /// Bytes.
  uint64_t size = 0;
  /// As AllocItem::flags.
  uint32_t flags = 0;
};
struct Release {
  uint64_t bo = 0;
  /// A job still uses it; an Idle follows.
  bool busy = false;
};
struct Idle {
  uint64_t bo = 0;
};

struct Event {
  /// Since the recording began.
  Duration at{};
  uint32_t client = 0;
  std::variant<Arrive, Depart, Alloc, Release, Idle> what;
};

struct Trace {
  std::string name;
  std::string recorder;
  std::vector<Event> events;
};

/// A file is no trace, or not a whole one; what() names the file and the byte at which that shows.
class TraceError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// How long a job lasts whose end was not recorded: a frame at 60 Hz.
inline constexpr Duration kUnrecordedJob = std::chrono::microseconds(16'667);

/// Reads a file that TraceWriter or libpanbo wrote. Every busy release has its Idle afterwards: where the recorder did
/// not see it, it comes kUnrecordedJob after the release. Throws TraceError.
[[nodiscard]] Trace read_trace(const std::string& path);

}  // namespace panbo::replay
