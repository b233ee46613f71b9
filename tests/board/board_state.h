// What a test on a board asks of it, and does to it, as root.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proto/unique_fd.h"

namespace panbo::test {

/// A value of /proc/meminfo, e.g. "MemAvailable", in bytes.
uint64_t meminfo(std::string_view key);

/// Runs every shrinker that the kernel has, panfrost's among them. Throws if it may not.
void drop_caches();

/// Has another process fill the memory until `beyond` bytes more than what the kernel calls available are in use, and
/// then end. Whether it lived that long: the kernel kills it before anybody else.
bool press_memory(uint64_t beyond);

/// The kernel's messages from now on.
class KernelLog {
 public:
  KernelLog();
  /// Whether a message contains `text`.
  bool has(std::string_view text);

 private:
  UniqueFd fd_;
  std::string text_;
};

}  // namespace panbo::test
