// The files stay open and are read anew each time with pread: one syscall each, and no walk through a path that the
// sandbox may hide.
//
// BOs are charged to the cgroup of the process that makes them (docs/kernel-facts.md), so MemoryMax= and MemoryHigh= of
// the unit limit the GPU memory of the whole board; what is left below them is what the daemon can still get. A limit
// on a slice above binds as well, and may be set at any time, so every cgroup up to the root is asked. Those without a
// limit cost two reads.
//
// A slice's memory.current includes the page cache of everybody in it, which grows up to the limit and gives way when
// somebody needs the memory. Without it a busy slice would seem to be full always.

#include "daemon/app/board_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <utility>

namespace panbo {
namespace {

// Below a cgroup's limit: for the daemon's own memory, and for what the kernel keeps for each BO, socket and fd. Where
// that does not fit the kernel does not say no, it kills.
constexpr uint64_t kReserve = uint64_t{8} << 20;

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

/// The file pages of memory.stat, which the kernel can take back; 0 where they cannot be read.
uint64_t read_file_pages(const UniqueFd& file) {
  std::array<char, 4096> text;
  const ssize_t n = file.valid() ? ::pread(file.get(), text.data(), text.size(), 0) : -1;
  const std::string_view lines(text.data(), static_cast<size_t>(std::max<ssize_t>(n, 0)));
  uint64_t sum = 0;
  for (const std::string_view key : {"\nactive_file ", "\ninactive_file "}) {
    const size_t at = lines.find(key);
    uint64_t bytes = 0;
    if (at != std::string_view::npos) {
      std::from_chars(lines.data() + at + key.size(), lines.data() + lines.size(), bytes);
    }
    sum += bytes;
  }
  return sum;
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
  // Above the hierarchy's root there is nothing by these names, so there is no need to know where it is.
  for (std::filesystem::path path = paths.cgroup; path.has_relative_path(); path = path.parent_path()) {
    const std::string directory = path;
    UniqueFd max = open_for_reading(directory + "/memory.max");
    if (!max.valid()) continue;
    cgroups_.push_back({.current = open_for_reading(directory + "/memory.current"),
                        .high = open_for_reading(directory + "/memory.high"),
                        .max = std::move(max),
                        .stat = open_for_reading(directory + "/memory.stat")});
  }
}

uint64_t BoardMemory::available() const {
  uint64_t available = read_meminfo(meminfo_, "MemAvailable").value_or(UINT64_MAX);
  for (const Cgroup& cgroup : cgroups_) available = std::min(available, cgroup.left());
  return available;
}

uint64_t BoardMemory::total() const {
  uint64_t total = read_meminfo(meminfo_, "MemTotal").value_or(UINT64_MAX);
  for (const Cgroup& cgroup : cgroups_) total = std::min(total, cgroup.limit());
  return total;
}

uint64_t BoardMemory::Cgroup::limit() const {
  return std::min(read_number(high), read_number(max));
}

uint64_t BoardMemory::Cgroup::left() const {
  const uint64_t most = limit();
  if (most == UINT64_MAX) return UINT64_MAX;
  const uint64_t used = read_number(current);
  const uint64_t in_the_way = used - std::min(used, read_file_pages(stat));
  return most - std::min(most, in_the_way + kReserve);
}

}  // namespace panbo
