// Calls of the simulated device that are to fail next.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "proto/result.h"

namespace panbo {

enum class SimCall { kCreate, kExport, kEvictable, kUnevictable, kWatch };

/// The call's name in panbo.proto; empty for an unknown name.
std::optional<SimCall> sim_call_named(std::string_view name);

class SimFaults {
 public:
  /// The next `times` calls fail with `error`; replaces what was asked for this call before.
  void fail_next(SimCall call, Errno error, uint32_t times) { of(call) = {.error = error, .times = times}; }

  /// To be asked once per call: the error it fails with, if it is to fail.
  std::optional<Errno> next(SimCall call) {
    Fault& fault = of(call);
    if (fault.times == 0) return std::nullopt;
    --fault.times;
    return fault.error;
  }

 private:
  struct Fault {
    Errno error{0};
    uint32_t times = 0;
  };

  Fault& of(SimCall call) { return faults_[static_cast<size_t>(call)]; }

  std::array<Fault, 5> faults_;
};

}  // namespace panbo
