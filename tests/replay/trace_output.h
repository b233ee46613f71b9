// Writes traces that were made, not recorded.
#pragma once

#include "tests/replay/trace.h"

namespace panbo::replay {

/// In the format that read_trace() reads. Throws TraceError: the file cannot be written.
void write_trace(const Trace& trace, const std::string& path);

}  // namespace panbo::replay
