// What panbo-run --stats prints when a program ends.
#pragma once

#include <string>
#include <string_view>

#include "client/interpose/open_file.h"

namespace panbo::interpose {

/// Set in the environment of the program: it reports.
inline constexpr const char* kStatsVariable = "PANBO_RUN_STATS";

/// One line, with its end.
std::string counts_line(std::string_view program, int process_id, const BoCounts& counts);

/// Prints it on stderr if the environment asks for it, and the program has asked for a BO at all.
void report_counts(const BoCounts& counts);

}  // namespace panbo::interpose
