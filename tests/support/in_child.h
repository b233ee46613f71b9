// A child process for what a test must not keep: another user, a limit, a cgroup.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <type_traits>

#include "proto/unique_fd.h"

namespace panbo::test {

/// Calls `work` in a child process; returns what it returned. Throws if the child ended before. Expectations belong
/// into the parent: gtest does not see those of a child.
template <class Work>
auto in_child(Work work) {
  using Answer = std::invoke_result_t<Work>;
  static_assert(std::is_trivially_copyable_v<Answer>);
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("pipe");
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) {
    reader.reset();
    const Answer answer = work();
    ::_exit(::write(writer.get(), &answer, sizeof(answer)) == sizeof(answer) ? EXIT_SUCCESS : EXIT_FAILURE);
  }
  writer.reset();
  Answer answer{};
  const bool answered = ::read(reader.get(), &answer, sizeof(answer)) == sizeof(answer);
  ::waitpid(child, nullptr, 0);
  if (!answered) throw std::runtime_error("the child process ended without an answer");
  return answer;
}

}  // namespace panbo::test
