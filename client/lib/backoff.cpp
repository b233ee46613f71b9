#include "client/lib/backoff.h"

#include <algorithm>

namespace panbo {

void Backoff::failed(TimePoint now) {
  std::uniform_int_distribution<int64_t> jittered(pause_.count() / 2, pause_.count());
  next_ = now + std::chrono::milliseconds(jittered(random_));
  pause_ = std::min(pause_ * 2, kLongest);
}

void Backoff::succeeded() {
  pause_ = kFirst;
  next_ = TimePoint::min();
}

}  // namespace panbo
