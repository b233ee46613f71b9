// The files stay open and are read anew each time with pread: one syscall each, and no walk through a path that the
// sandbox may hide.
//
// BOs are charged to the cgroup of the process that makes them (docs/kernel-facts.md), so MemoryMax= and MemoryHigh= of
// the unit limit the GPU memory of the whole board; what is left below them is what the daemon can still get.

#include "daemon/app/board_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>

namespace panbo {
namespace {

UniqueFd open_for_reading(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

/// A file with one number; UINT64_MAX for "max", and where it cannot be read.
uint64_t read_number(const UniqueFd& file) {
  std::array<char, 32> text;
  const ssize_t n = file.valid() ? ::pread(file.get(), text.data(), text.size(), 0) : -1;
  uint64_t value = 0;
  if (n <= 0 || std::from_chars(text.data(), text.data() + n, value).ec != std::errc()) return UINT64_MAX;
  return value;
}

std::optional<uint64_t> read_meminfo(const UniqueFd& file, std::string_view key) {
  // MemTotal and MemAvailable are in the first three lines.
  std::array<char, 256> text;
  const ssize_t n = file.valid() ? ::pread(file.get(), text.data(), text.size(), 0) : -1;
  if (n <= 0) return std::nullopt;
  return parse_meminfo({text.data(), static_cast<size_t>(n)}, key);
}

}  // namespace

std::optional<std::string> own_cgroup() {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    // The unified hierarchy's line is "0::/path".
    if (line == "0::/") return std::nullopt;
    if (line.starts_with("0::/")) return "/sys/fs/cgroup" + line.substr(3);
  }
  return std::nullopt;
}

std::optional<uint64_t> parse_meminfo(std::string_view text, std::string_view key) {
  const std::string start = std::string(key) + ":";
  size_t at = text.starts_with(start) ? 0 : text.find("\n" + start);
  if (at == std::string_view::npos) return std::nullopt;
  at = text.find_first_of("0123456789", at);
  if (at == std::string_view::npos) return std::nullopt;
  uint64_t kib = 0;
  const auto parsed = std::from_chars(text.data() + at, text.data() + text.size(), kib);
  if (parsed.ec != std::errc() || !std::string_view(parsed.ptr, text.data() + text.size()).starts_with(" kB")) {
    return std::nullopt;
  }
  return kib * 1024;
}

BoardMemory::BoardMemory(const BoardMemoryPaths& paths) : meminfo_(open_for_reading(paths.meminfo)) {
  if (paths.cgroup.empty()) return;
  current_ = open_for_reading(paths.cgroup + "/memory.current");
  high_ = open_for_reading(paths.cgroup + "/memory.high");
  max_ = open_for_reading(paths.cgroup + "/memory.max");
}

uint64_t BoardMemory::available() const {
  return std::min(read_meminfo(meminfo_, "MemAvailable").value_or(UINT64_MAX), cgroup_left());
}

uint64_t BoardMemory::total() const {
  return std::min(read_meminfo(meminfo_, "MemTotal").value_or(UINT64_MAX), cgroup_limit());
}

uint64_t BoardMemory::cgroup_limit() const {
  return std::min(read_number(high_), read_number(max_));
}

uint64_t BoardMemory::cgroup_left() const {
  const uint64_t limit = cgroup_limit();
  if (limit == UINT64_MAX) return UINT64_MAX;
  const uint64_t current = read_number(current_);
  return limit - std::min(limit, current);
}

}  // namespace panbo
