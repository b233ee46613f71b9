// Reads what tests/board/mesa/recorder.cpp wrote down on a board.
#pragma once

#include <istream>
#include <string>

#include "tests/replay/trace.h"

namespace panbo::replay {

/// The lines "TIME PROCESS WHAT…" as a trace, in the order of time: "arrive NAME", "depart", "alloc BO SIZE FLAGS" with
/// the kernel's flags, "release BO BUSY". BOs are numbered in each process for itself, as processes and times are by
/// the kernel; the trace numbers all of them anew. What ends no job is left to read_trace(). Throws TraceError, with
/// `name` and the line in it: a line is none of these, or names what there is not.
[[nodiscard]] Trace read_mesa_log(std::istream& log, const std::string& name);

}  // namespace panbo::replay
