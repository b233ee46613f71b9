// System calls that fail as those of another kernel do.
#pragma once

#include <cstdint>

namespace panbo {

/// The calls that are to fail: those with this number, and this value as one of their arguments.
struct FailingCall {
  uint32_t number = 0;
  /// Counted from 0.
  unsigned argument = 0;
  uint32_t value = 0;
};

/// From now on they fail with this errno, in this process and in what it becomes. Ends the process if the kernel cannot
/// do that.
void fail_system_call(const FailingCall& call, int error);

}  // namespace panbo
