// The board's memory as /proc/meminfo tells it, and the service's share of it, if its unit or a slice above sets one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/core/memory_gauge.h"
#include "proto/unique_fd.h"

namespace panbo {

struct BoardMemoryPaths {
  std::string meminfo = "/proc/meminfo";
  /// Directory of the process' own cgroup; empty: none. own_cgroup() finds it.
  std::string cgroup;
};

/// The directory of this process' cgroup in the unified hierarchy; nothing if there is none, or if it is the root,
/// which has no limits.
[[nodiscard]] std::optional<std::string> own_cgroup();

class BoardMemory : public MemoryGauge {
 public:
  /// What cannot be opened is left out; available() is UINT64_MAX if that is everything.
  explicit BoardMemory(const BoardMemoryPaths& paths);

  /// The lowest of MemAvailable and what each cgroup, from the process' own to the root, has left below memory.high and
  /// memory.max, where 8 MiB stay in reserve. File pages count as left, as they do in MemAvailable.
  [[nodiscard]] uint64_t available() const override;

  /// Bytes of RAM, less if a cgroup allows less. UINT64_MAX if nobody can tell.
  [[nodiscard]] uint64_t total() const;

 private:
  /// The files of one cgroup with a memory controller.
  struct Cgroup {
    [[nodiscard]] uint64_t limit() const;
    [[nodiscard]] uint64_t left() const;

    UniqueFd current;
    UniqueFd high;
    UniqueFd max;
    UniqueFd stat;
  };

  UniqueFd meminfo_;
  /// The process' own first.
  std::vector<Cgroup> cgroups_;
};

/// The value in bytes of a line "Key:   123 kB" of /proc/meminfo, or nothing.
[[nodiscard]] std::optional<uint64_t> parse_meminfo(std::string_view text, std::string_view key);

}  // namespace panbo
