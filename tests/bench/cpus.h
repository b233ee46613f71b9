// Who runs where. The scheduler's choices are not what is measured.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <string>

namespace panbo::bench {

// All throw std::runtime_error.

/// A CPU that this thread may use: the first, the second; the first again if there is but one.
[[nodiscard]] int nth_cpu(int n);

/// Pins a thread, and those that it will start. 0: the caller.
void pin(pid_t thread, int cpu);

/// The thread of that name of a process.
[[nodiscard]] pid_t thread_named(pid_t process, const std::string& name);

/// Puts the caller back where it was allowed to be.
class KeepAffinity {
 public:
  KeepAffinity();
  ~KeepAffinity();
  KeepAffinity(const KeepAffinity&) = delete;
  KeepAffinity& operator=(const KeepAffinity&) = delete;

 private:
  cpu_set_t before_;
};

}  // namespace panbo::bench
