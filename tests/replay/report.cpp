#include "tests/replay/report.h"

#include <fmt/format.h>

namespace panbo::replay {
namespace {

double mib(uint64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

double seconds(Duration time) {
  return std::chrono::duration<double>(time).count();
}

std::string time_of(const std::optional<Duration>& time) {
  return time ? fmt::format("{:.1f} s", seconds(*time)) : "never";
}

nlohmann::json json_of(const PolicyResult& result) {
  const Metrics& m = result.played.metrics;
  nlohmann::json json = {{"policy", result.policy},
                         {"requests", m.requests},
                         {"hits", m.hits},
                         {"failed", m.failed},
                         {"hit_rate", m.hit_rate()},
                         {"asked_bytes", m.asked_bytes},
                         {"given_bytes", m.given_bytes},
                         {"waste", m.waste()},
                         {"peak_cached_bytes", m.peak_cached},
                         {"mean_cached_bytes", m.mean_cached},
                         {"cached_at_end_bytes", m.cached_at_end},
                         {"cached_when_idle_bytes", m.cached_when_idle},
                         {"curve_span_ns", result.played.curve.span.count()},
                         {"curve_bytes", result.played.curve.most}};
  // null: never.
  json["time_to_give_back_s"] = nullptr;
  if (m.time_to_give_back) json["time_to_give_back_s"] = seconds(*m.time_to_give_back);
  return json;
}

}  // namespace

std::string table_of(const std::vector<TraceResult>& results) {
  std::string table = fmt::format("| {:10} | {:14} | {:>8} | {:>8} | {:>8} | {:>9} | {:>9} | {:>6} | {:>9} | {:>9} |\n",
                                  "trace", "policy", "requests", "failed", "hit rate", "peak MiB", "mean MiB", "waste",
                                  "idle MiB", "gives back");
  table += fmt::format("|{:-<12}|{:-<16}|{:->9}:|{:->9}:|{:->9}:|{:->10}:|{:->10}:|{:->7}:|{:->10}:|{:->11}:|\n", "",
                       "", "", "", "", "", "", "", "", "");
  for (const TraceResult& trace : results) {
    for (const PolicyResult& result : trace.policies) {
      const Metrics& m = result.played.metrics;
      table += fmt::format(
          "| {:10} | {:14} | {:8} | {:8} | {:6.2f} % | {:9.1f} | {:9.1f} | {:4.1f} % | {:9.1f} | {:>10} |\n",
          trace.trace, result.policy, m.requests, m.failed, 100 * m.hit_rate(), mib(m.peak_cached), mib(m.mean_cached),
          100 * m.waste(), mib(m.cached_when_idle), time_of(m.time_to_give_back));
    }
  }
  return table;
}

nlohmann::json json_of(const std::vector<TraceResult>& results) {
  nlohmann::json traces = nlohmann::json::array();
  for (const TraceResult& trace : results) {
    nlohmann::json policies = nlohmann::json::array();
    for (const PolicyResult& result : trace.policies) policies.push_back(json_of(result));
    traces.push_back({{"trace", trace.trace},
                      {"recorder", trace.recorder},
                      {"length_s", seconds(trace.length)},
                      {"policies", policies}});
  }
  return traces;
}

}  // namespace panbo::replay
