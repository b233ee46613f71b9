// What was measured, for people and for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/replay/player.h"

namespace panbo::replay {

struct PolicyResult {
  std::string policy;
  Played played;
};

/// One trace, played to each policy.
struct TraceResult {
  std::string trace;
  std::string recorder;
  /// From the first to the last event.
  Duration length{};
  std::vector<PolicyResult> policies;
};

/// A table in Markdown.
[[nodiscard]] std::string table_of(const std::vector<TraceResult>& results);
/// The same in full precision, with the curves.
[[nodiscard]] nlohmann::json json_of(const std::vector<TraceResult>& results);

}  // namespace panbo::replay
