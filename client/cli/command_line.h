// panboctl as a function, from its arguments to its exit status.
#pragma once

#include <ostream>

namespace panbo::cli {

/// Carries out what the arguments say. Results go to `out`, complaints to `err`. Returns 0; 1 when it could not be
/// done; 2 when the arguments make no sense.
int run_panboctl(int argc, const char* const* argv, std::ostream& out, std::ostream& err);

}  // namespace panbo::cli
