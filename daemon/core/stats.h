// What the cache has done and holds, as panboctl shows it.
#pragma once

#include <cstdint>

#include "daemon/core/clock.h"

namespace panbo {

/// A number of BOs and their sizes' sum: of heaps too, although they count as less in budgets (BoKey::memory()).
struct Amount {
  uint64_t count = 0;
  uint64_t bytes = 0;

  void add(uint64_t size) {
    ++count;
    bytes += size;
  }
  void remove(uint64_t size) {
    --count;
    bytes -= size;
  }
  Amount& operator+=(const Amount& other) {
    count += other.count;
    bytes += other.bytes;
    return *this;
  }
  friend bool operator==(const Amount&, const Amount&) = default;
};

struct Stats {
  // What there is now, by state.
  Amount leased;
  /// Of those: unused, kept by the clients.
  Amount local;
  /// Of those: taken from clients that have not given them back.
  Amount taken;
  Amount draining;
  Amount held;
  Amount ready;
  /// Made in advance, never lent.
  Amount stock;

  // BOs asked for since the start, and how each ended: requests = cached + fresh + waited + failed + still waiting.
  uint64_t requests = 0;
  uint64_t cached = 0;
  uint64_t fresh = 0;
  uint64_t waited = 0;
  uint64_t failed = 0;

  /// Destroyed while ready.
  Amount evicted;
  /// Found purged by the kernel.
  Amount purged;

  /// The longest time for which the loop was busy since the start, without looking at what else had happened.
  Duration longest_turn{};
};

}  // namespace panbo
