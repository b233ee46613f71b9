// How much memory the board has left, as the core sees it.
#pragma once

#include <cstdint>

namespace panbo {

class MemoryGauge {
 public:
  virtual ~MemoryGauge() = default;
  /// Bytes that can be had without swapping (MemAvailable), now. UINT64_MAX where nobody can tell.
  [[nodiscard]] virtual uint64_t available() const = 0;
};

}  // namespace panbo
