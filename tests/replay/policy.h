// A cache that a trace can be played to: who may reuse which BO, and when memory goes back to the kernel.
#pragma once

#include <cstdint>
#include <optional>

#include "daemon/core/clock.h"
#include "tests/replay/trace.h"

namespace panbo::replay {

/// How a request ended.
struct Served {
  /// Bytes of the BO. 0: the request failed.
  uint64_t size = 0;
  /// From the cache.
  bool hit = false;
};

/// Every call tells the time, which never runs backwards. BOs are named as in the trace.
class Policy {
 public:
  virtual ~Policy() = default;

  virtual void arrive(uint32_t client, const Arrive& arrive, Duration now) = 0;
  virtual void depart(uint32_t client, Duration now) = 0;
  virtual Served alloc(uint32_t client, const Alloc& alloc, Duration now) = 0;
  /// `bo` was served.
  virtual void release(uint32_t client, const Release& release, Duration now) = 0;
  /// The last job on a BO that was busy at its release has ended. The cache may have destroyed it meanwhile.
  virtual void idle(uint64_t bo, Duration now) = 0;

  /// When the policy does something by itself next.
  [[nodiscard]] virtual std::optional<Duration> next_deadline() const = 0;
  virtual void tick(Duration now) = 0;

  /// Bytes that no client has, that no job uses, and that were not given back: what the cache costs the board.
  [[nodiscard]] virtual uint64_t cached_bytes() = 0;
};

}  // namespace panbo::replay
