// Repetitions of the kinds alternate, so that what disturbs the machine disturbs all of them.

#include "tests/bench/medians.h"

#include <stdexcept>
#include <vector>

namespace panbo::bench {
namespace {

class MedianReporter : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.error_occurred) throw std::runtime_error(run.benchmark_name() + ": " + run.error_message);
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
