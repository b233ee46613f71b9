// Counting and waiting, for tests of code that owns fds.
#pragma once

#include <chrono>
#include <vector>

#include "proto/unique_fd.h"

namespace panbo::test {

/// Fds that this process has open.
int open_fds();

/// Whether `fd` polls readable now, or becomes so within `patience`. Comes back as soon as it does.
bool is_readable(int fd);
bool becomes_readable(int fd, std::chrono::milliseconds patience = std::chrono::seconds(30));

/// Whether an epoll set of this process has it.
bool is_in_epoll_set(int fd);

/// As long as it lives, this process can open no more fds (EMFILE). Make each call under test once before: the first
/// time that UBSan sees an object's type, it needs fds itself.
class NoMoreFds {
 public:
  NoMoreFds();
  ~NoMoreFds();
  NoMoreFds(const NoMoreFds&) = delete;
  NoMoreFds& operator=(const NoMoreFds&) = delete;

 private:
  unsigned long old_limit_;
  std::vector<UniqueFd> fillers_;
};

}  // namespace panbo::test
