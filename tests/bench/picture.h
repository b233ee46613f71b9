// A report as a picture.
#pragma once

#include <string>

#include "tests/bench/report.h"

namespace panbo::bench {

/// A bar for each line of the report, on a logarithmic scale, since what is compared differs by orders of magnitude. An
/// SVG document.
[[nodiscard]] std::string picture_of(const Report& report);

}  // namespace panbo::bench
