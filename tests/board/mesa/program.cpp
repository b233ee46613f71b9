#include "tests/board/mesa/program.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace panbo::test {
namespace {

void make_pipe(UniqueFd& reader, UniqueFd& writer) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  reader.reset(ends[0]);
  writer.reset(ends[1]);
}

std::string read_all(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = ::read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(n));
  return text;
}

}  // namespace

Program::Program(const std::vector<std::string>& words, const std::vector<std::string>& environment) {
  UniqueFd in;
  UniqueFd out;
  make_pipe(in, in_);
  make_pipe(out_, out);
  err_.reset(::memfd_create("stderr", MFD_CLOEXEC));
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ > 0) return;
  ::dup2(in.get(), STDIN_FILENO);
  ::dup2(out.get(), STDOUT_FILENO);
  ::dup2(err_.get(), STDERR_FILENO);
  for (const std::string& variable : environment) ::putenv(const_cast<char*>(variable.c_str()));
  ::execvp(arguments[0], arguments.data());
  ::_exit(127);
}

Program::Program(Program&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      in_(std::move(other.in_)),
      out_(std::move(other.out_)),
      err_(std::move(other.err_)) {
}

Program::~Program() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::string Program::read_line() {
  std::string line;
  for (char byte; ::read(out_.get(), &byte, 1) == 1 && byte != '\n';) line += byte;
  return line;
}

void Program::write_line() {
  if (::write(in_.get(), "\n", 1) != 1) throw std::runtime_error("the program does not read");
}

Ending Program::wait() {
  in_.reset();
  Ending ending{.out = read_all(out_.get())};
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  ending.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  ::lseek(err_.get(), 0, SEEK_SET);
  ending.err = read_all(err_.get());
  return ending;
}

}  // namespace panbo::test
