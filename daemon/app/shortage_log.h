// The log's record of a request that got no memory.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/core/clock.h"
#include "daemon/service/service.h"

namespace panbo {

class ShortageLog {
 public:
  /// Logs it, unless there was one within the last second: a client that asks again and again must not fill the log.
  void note(const Shortage& shortage, Time now);

 private:
  Time last_{};
  uint64_t suppressed_ = 0;
};

/// The record: who asked for what, what there is, and who holds most.
[[nodiscard]] std::string describe(const Shortage& shortage);

}  // namespace panbo
