// Whether a library can be preloaded into a program.
#pragma once

#include <string>

namespace panbo::interpose {

/// Why a program cannot be run, and the exit status that says so, as of a shell: 127 not found, 126 not to be run.
struct Refusal {
  int status;
  std::string reason;
};

/// The path of the program that execvp(3) would run for `name`. Throws Refusal.
std::string find_program(const std::string& name);

/// Returns if the program at `path`, or the interpreter of that script, runs with a library of ours: it is dynamically
/// linked, of our architecture, and gets no more rights than its user has. Throws Refusal.
void check_program(const std::string& path);

}  // namespace panbo::interpose
