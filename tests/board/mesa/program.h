// A program that a test runs, and what it says.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "proto/unique_fd.h"

namespace panbo::test {

/// How a program ended.
struct Ending {
  /// As of a shell: 128 and the signal's number for a signal.
  int status = 0;
  std::string out;
  std::string err;
};

class Program {
 public:
  /// Starts it, with `environment` ("NAME=VALUE") on top of this process's. Throws std::runtime_error.
  explicit Program(const std::vector<std::string>& words, const std::vector<std::string>& environment = {});
  Program(Program&& other) noexcept;
  ~Program();

  [[nodiscard]] pid_t pid() const { return pid_; }

  /// Of its stdout, without the end of the line; empty if it has ended.
  std::string read_line();
  /// To its stdin.
  void write_line();
  Ending wait();

 private:
  pid_t pid_ = -1;
  UniqueFd in_;
  UniqueFd out_;
  /// A file, which the program cannot fill up.
  UniqueFd err_;
};

}  // namespace panbo::test
