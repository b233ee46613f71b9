#include "tests/replay/bars.h"

#include <fmt/format.h>

#include <algorithm>

namespace panbo::replay {
namespace {

double mib(uint64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

}  // namespace

std::vector<std::string> missed_bars(const TraceResult& result) {
  const auto panbo = std::find_if(result.policies.begin(), result.policies.end(),
                                  [](const PolicyResult& policy) { return policy.policy == "panbo"; });
  if (panbo == result.policies.end()) return {result.trace + ": was not played to panbo"};
  const Metrics& ours = panbo->played.metrics;
  std::vector<std::string> missed;
  if (ours.cached_when_idle > 0) {
    missed.push_back(
        fmt::format("{}: {:.1f} MiB are still cached when all is idle", result.trace, mib(ours.cached_when_idle)));
  }
  for (const PolicyResult& other : result.policies) {
    if (&other == &*panbo) continue;
    const Metrics& theirs = other.played.metrics;
    if (ours.hits < theirs.hits) {
      missed.push_back(fmt::format("{}: hit rate {:.2f} %, {}'s is {:.2f} %", result.trace, 100 * ours.hit_rate(),
                                   other.policy, 100 * theirs.hit_rate()));
    }
    if (2 * ours.peak_cached > theirs.peak_cached) {
      missed.push_back(fmt::format("{}: peak {:.1f} MiB, more than half of {}'s {:.1f} MiB", result.trace,
                                   mib(ours.peak_cached), other.policy, mib(theirs.peak_cached)));
    }
  }
  return missed;
}

}  // namespace panbo::replay
