// A clock that stands still until a test moves it.
#pragma once

#include "daemon/core/clock.h"

namespace panbo {

class FakeClock : public Clock {
 public:
  [[nodiscard]] Time now() const override { return now_; }
  void advance(Duration by) { now_ += by; }

 private:
  Time now_{std::chrono::hours(1)};
};

}  // namespace panbo
