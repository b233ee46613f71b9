// The two processes speak through a pair of sockets, in numbers; its end says that the other one is gone.

#include "tests/faults/child.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <stdexcept>

#include "tests/support/fds.h"

namespace panbo {

Child::Child(const std::function<bool(Child&)>& work, uid_t uid) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) throw std::runtime_error("socketpair");
  line_.reset(ends[0]);
  UniqueFd other(ends[1]);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ > 0) return;
  bool done = false;
  try {
    line_ = std::move(other);
    if (uid != 0 && (::setgid(uid) != 0 || ::setuid(uid) != 0)) throw std::runtime_error("cannot be another user");
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    done = work(*this);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "in the other process: %s\n", error.what());
  }
  ::_exit(done ? 0 : 1);
}

Child::~Child() {
  kill();
}

void Child::say(uint64_t number) {
  if (::send(line_.get(), &number, sizeof(number), MSG_NOSIGNAL) < 0) throw std::runtime_error("nobody listens");
}

uint64_t Child::hear() {
  uint64_t number = 0;
  if (::recv(line_.get(), &number, sizeof(number), 0) != sizeof(number)) throw std::runtime_error("nobody speaks");
  return number;
}

bool Child::has_spoken() const {
  return test::is_readable(line_.get());
}

bool Child::wait() {
  if (pid_ < 0) return false;
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void Child::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  wait();
}

bool run_as(uid_t uid, const std::function<bool()>& work) {
  return Child([&](Child&) { return work(); }, uid).wait();
}

}  // namespace panbo
