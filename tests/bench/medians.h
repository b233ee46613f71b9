// Google Benchmark as every bench uses it: kinds take turns in random order, and the median of many repetitions counts.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <map>
#include <string>

namespace panbo::bench {

/// Once in a process, before anything is registered.
void start_benchmarks();

/// Registers one. `run` may set the time of each iteration itself, if `benchmark->UseManualTime()` follows.
benchmark::internal::Benchmark* add_benchmark(const std::string& name, int repetitions,
                                              const std::function<void(benchmark::State&)>& run);

/// Registers what is too short to be timed one by one: `pairs` of them, inlined, after each `prepare`.
template <class Prepare, class Pair>
void add_pairs(const std::string& name, int repetitions, int pairs, Prepare prepare, Pair pair) {
  add_benchmark(name, repetitions, [=](benchmark::State& state) {
    prepare();
    for (auto _ : state) pair();
  })->Iterations(pairs);
}

/// Real time in nanoseconds, by name.
class Medians {
 public:
  explicit Medians(std::map<std::string, double> by_name) : by_name_(std::move(by_name)) {}
  /// Throws std::runtime_error if there is no such benchmark.
  [[nodiscard]] double of(const std::string& name) const;

 private:
  std::map<std::string, double> by_name_;
};

/// Runs what was registered, and forgets it. Throws std::runtime_error if one of them fails.
[[nodiscard]] Medians run_benchmarks();

}  // namespace panbo::bench
