// What panbo's cache is to reach on every trace, beside the private ones.
#pragma once

#include <string>
#include <vector>

#include "tests/replay/report.h"

namespace panbo::replay {

/// The bars that panbo misses, each as a sentence with the figures; `result` has panbo's results and others'. They are,
/// beside each other policy: a hit rate that is at least as high; at most half of the peak of the cached bytes; and
/// nothing cached after kIdleLimit of idleness.
[[nodiscard]] std::vector<std::string> missed_bars(const TraceResult& result);

}  // namespace panbo::replay
