// Draws cached bytes over time: one panel for each trace, one curve for each policy.
#pragma once

#include <string>
#include <vector>

#include "tests/replay/report.h"

namespace panbo::replay {

/// An SVG document that reads well on light and on dark ground. Not empty: at least one trace and one policy.
[[nodiscard]] std::string chart_of(const std::vector<TraceResult>& results);

}  // namespace panbo::replay
