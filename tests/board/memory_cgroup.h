// Memory cgroups, the test's own and those that systemd makes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace panbo::test {

/// What the kernel tells of a memory cgroup. All throw std::runtime_error if it is not there.
class MemoryCgroupView {
 public:
  explicit MemoryCgroupView(std::string path) : path_(std::move(path)) {}

  [[nodiscard]] uint64_t current() const;
  /// A count of memory.events.
  [[nodiscard]] uint64_t event(const std::string& name) const;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

/// A cgroup of the test's own. All throw std::runtime_error if it cannot be done.
class MemoryCgroup : public MemoryCgroupView {
 public:
  MemoryCgroup();
  ~MemoryCgroup();
  MemoryCgroup(const MemoryCgroup&) = delete;
  MemoryCgroup& operator=(const MemoryCgroup&) = delete;

  // pid 0: this process.

  /// Those who are started by a process in it are in it as well.
  void enter(pid_t pid = 0);
  /// To where this process was in the beginning.
  void leave(pid_t pid = 0);
  void limit(uint64_t bytes);
  /// Nobody may be in it any more.
  void remove();

 private:
  const std::string home_;
};

}  // namespace panbo::test
