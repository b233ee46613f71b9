// What panbo-bench prints: medians, and each one's ratio to the baseline.
#pragma once

#include <benchmark/benchmark.h>

#include <map>
#include <string>
#include <vector>

namespace panbo::bench {

/// Collects the medians of the benchmarks that run.
class MedianReporter : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override;

  /// In nanoseconds. Throws std::runtime_error if it did not run.
  [[nodiscard]] double median(const std::string& name) const;

 private:
  std::map<std::string, double> medians_;
};

struct Line {
  /// Of the benchmark.
  std::string name;
  /// For people.
  std::string what;
};

/// Prints the lines to stdout, as a table or as JSON, with ratios to the line named `baseline`.
void print(const std::string& title, const std::vector<Line>& lines, const std::string& baseline,
           const MedianReporter& medians, bool json);

}  // namespace panbo::bench
