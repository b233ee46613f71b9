// For lines of the log that somebody can cause again and again, and that belong to no user (client_log.h is for those
// that do).
#pragma once

#include <optional>

#include "daemon/core/clock.h"

namespace panbo {

class LineLimit {
 public:
  explicit LineLimit(Duration pause) : pause_(pause) {}

  /// Whether the line may be written now: it was not within the last `pause`.
  [[nodiscard]] bool allows(Time now) {
    if (last_ && now - *last_ < pause_) return false;
    last_ = now;
    return true;
  }

 private:
  const Duration pause_;
  std::optional<Time> last_;
};

}  // namespace panbo
