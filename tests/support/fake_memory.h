// A board's memory that is what a test says.
#pragma once

#include "daemon/core/memory_gauge.h"

namespace panbo {

class FakeMemory : public MemoryGauge {
 public:
  [[nodiscard]] uint64_t available() const override { return bytes; }

  uint64_t bytes = UINT64_MAX;
};

}  // namespace panbo
