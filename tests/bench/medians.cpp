// Repetitions of the kinds alternate, so that what disturbs the machine disturbs all of them.

#include "tests/bench/medians.h"

#include <stdexcept>
#include <string>
#include <vector>

namespace panbo::bench {
namespace {

/// Why the run measured nothing, or an empty string if it did. The library's 1.8 calls that otherwise than its 1.7.
template <typename Run>
std::string why_not(const Run& run) {
  if constexpr (requires { run.skip_message; }) {
    return run.skipped != 0 ? run.skip_message : "";
  } else {
    return run.error_occurred ? run.error_message : "";
  }
}

class MedianReporter : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (const std::string why = why_not(run); !why.empty()) {
        throw std::runtime_error(run.benchmark_name() + ": " + why);
      }
      if (run.run_type == Run::RT_Aggregate && run.aggregate_name == "median") {
        medians[run.run_name.function_name] = run.GetAdjustedRealTime();
      }
    }
  }

  std::map<std::string, double> medians;
};

}  // namespace

void start_benchmarks() {
  char name[] = "panbo-bench";
  char interleave[] = "--benchmark_enable_random_interleaving=true";
  char* arguments[] = {name, interleave};
  int count = 2;
  benchmark::Initialize(&count, arguments);
}

benchmark::internal::Benchmark* add_benchmark(const std::string& name, int repetitions,
                                              const std::function<void(benchmark::State&)>& run) {
  return benchmark::RegisterBenchmark(name.c_str(), run)
      ->Repetitions(repetitions)
      ->ReportAggregatesOnly()
      ->Unit(benchmark::kNanosecond);
}

double Medians::of(const std::string& name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) throw std::runtime_error(name + " was not measured");
  return found->second;
}

Medians run_benchmarks() {
  MedianReporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  benchmark::ClearRegisteredBenchmarks();
  return Medians(std::move(reporter.medians));
}

}  // namespace panbo::bench
