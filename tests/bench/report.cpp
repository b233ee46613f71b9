// Ratios come first: on a shared machine times change from one minute to the next, for all lines alike.

#include "tests/bench/report.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace panbo::bench {

void MedianReporter::ReportRuns(const std::vector<Run>& runs) {
  for (const Run& run : runs) {
    if (run.error_occurred) throw std::runtime_error(run.benchmark_name() + ": " + run.error_message);
    if (run.run_type == Run::RT_Aggregate && run.aggregate_name == "median") {
      medians_[run.run_name.function_name] = run.GetAdjustedRealTime();
    }
  }
}

double MedianReporter::median(const std::string& name) const {
  const auto found = medians_.find(name);
  if (found == medians_.end()) throw std::runtime_error(name + " was not measured");
  return found->second;
}

void print(const std::string& title, const std::vector<Line>& lines, const std::string& baseline,
           const MedianReporter& medians, bool json) {
  const double base = medians.median(baseline);
  nlohmann::ordered_json out = {{"benchmark", title}, {"baseline", baseline}, {"lines", nlohmann::json::array()}};
  for (const Line& line : lines) {
    const double median = medians.median(line.name);
    out["lines"].push_back(nlohmann::ordered_json{
        {"name", line.name}, {"what", line.what}, {"median_ns", median}, {"ratio", median / base}});
  }
  if (json) {
    std::printf("%s\n", out.dump(2).c_str());
    return;
  }
  std::printf("%s\n\n%7s  %12s  %s\n", title.c_str(), "ratio", "median", "");
  for (const auto& line : out["lines"]) {
    std::printf("%7.2f  %9.2f us  %s\n", line["ratio"].get<double>(), line["median_ns"].get<double>() / 1000,
                line["what"].get<std::string>().c_str());
  }
}

}  // namespace panbo::bench
