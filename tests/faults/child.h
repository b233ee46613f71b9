// A process beside the test: one that can be killed, be another user, or have limits of its own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>

#include "proto/unique_fd.h"

namespace panbo {

class Child {
 public:
  /// Runs `work` in a new process, which speaks with this one through the Child that it is given. What `work` returns
  /// is what wait() returns; if it throws, that is false. Expectations belong into the test: gtest does not see those
  /// of another process. With a `uid` the new process is that user's, which only root can ask for.
  explicit Child(const std::function<bool(Child&)>& work, uid_t uid = 0);
  /// Kills it if it still runs.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Both sides. Throw std::runtime_error if the other side is gone.
  void say(uint64_t number = 0);
  uint64_t hear();
  /// Whether hear() would not wait.
  [[nodiscard]] bool has_spoken() const;

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Waits for its end.
  bool wait();
  /// SIGKILL, and waits.
  void kill();

 private:
  UniqueFd line_;
  pid_t pid_ = -1;
};

/// Runs `work` in a process of this user and waits for it. Returns what it returned.
bool run_as(uid_t uid, const std::function<bool()>& work);

}  // namespace panbo
