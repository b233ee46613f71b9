// panbo-run's command line.
#pragma once

#include <iosfwd>

namespace panbo::interpose {

/// Becomes the program that the command line names, or returns an exit status: 0 after --help and --version; 2 for a
/// command line that makes no sense; 126 and 127 for a program that cannot be run or is not there.
int run_program(int argc, const char* const* argv, std::ostream& out, std::ostream& err);

}  // namespace panbo::interpose
