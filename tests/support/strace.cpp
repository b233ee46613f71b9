// strace says on stderr when it has attached; what happens before that is not seen. It says so of each thread, so what
// it says must find a reader as long as it lives: SIGPIPE would end it.

#include "tests/support/strace.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <stdexcept>

namespace panbo::test {

Strace::Strace(pid_t pid) {
  std::string pattern = "/tmp/strace-XXXXXX";
  const UniqueFd file(::mkstemp(pattern.data()));
  output_ = pattern;
  int ends[2];
  if (!file.valid() || ::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no file or no pipe");
  messages_.reset(ends[0]);
  UniqueFd writer(ends[1]);
  strace_ = ::fork();
  if (strace_ == 0) {
    ::dup2(writer.get(), STDERR_FILENO);
    ::execlp("strace", "strace", "-f", "-o", output_.c_str(), "-p", std::to_string(pid).c_str(), nullptr);
    ::_exit(127);
  }
  writer.reset();
  std::string said;
  for (char byte; said.find("attached") == std::string::npos && ::read(messages_.get(), &byte, 1) == 1;) said += byte;
  if (said.find("attached") == std::string::npos) throw std::runtime_error("strace does not attach: " + said);
}

Strace::~Strace() {
  stop();
  ::unlink(output_.c_str());
}

std::vector<std::string> Strace::stop() {
  if (strace_ > 0) ::kill(strace_, SIGINT);
  return wait();
}

std::vector<std::string> Strace::wait() {
  if (strace_ > 0) ::waitpid(strace_, nullptr, 0);
  strace_ = -1;
  std::vector<std::string> lines;
  std::ifstream file(output_);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

}  // namespace panbo::test
