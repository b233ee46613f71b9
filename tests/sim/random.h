// Random choices that are the same for a seed on every machine: the standard's distributions are not, its engine is.
#pragma once

#include <cstdint>
#include <random>

namespace panbo::sim {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  /// From 0 to n - 1; n is at least 1.
  uint64_t below(uint64_t n) { return engine_() % n; }
  uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }
  bool one_in(uint64_t n) { return below(n) == 0; }

 private:
  std::mt19937_64 engine_;
};

}  // namespace panbo::sim
