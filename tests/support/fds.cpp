// The fd table is counted through /proc, where the directory that is read is one of the fds.

#include "tests/support/fds.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace panbo::test {

int open_fds() {
  const std::filesystem::directory_iterator fds("/proc/self/fd");
  return static_cast<int>(std::distance(begin(fds), end(fds))) - 1;
}

bool is_readable(int fd) {
  return becomes_readable(fd, std::chrono::milliseconds(0));
}

bool becomes_readable(int fd, std::chrono::milliseconds patience) {
  pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&p, 1, static_cast<int>(patience.count())) == 1 && (p.revents & POLLIN) != 0;
}

// The fdinfo of an epoll set names what is in it.
bool is_in_epoll_set(int fd) {
  for (const auto& set : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    std::ifstream info(set.path());
    std::string word;
    for (int member; info >> word;) {
      if (word == "tfd:" && info >> member && member == fd) return true;
    }
  }
  return false;
}

// The limit is lowered only to what is in use, and the gaps are filled: with a limit of 0, poll() and F_DUPFD would
// fail too, and with another error.
NoMoreFds::NoMoreFds() {
  rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) throw std::runtime_error("getrlimit");
  old_limit_ = limit.rlim_cur;
  limit.rlim_cur = 64;
  for (int fd = 64; fd < static_cast<int>(old_limit_) && fd < 4096; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) limit.rlim_cur = static_cast<rlim_t>(fd) + 1;
  }
  if (::setrlimit(RLIMIT_NOFILE, &limit) < 0) throw std::runtime_error("setrlimit");
  for (;;) {
    UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) break;
    fillers_.push_back(std::move(fd));
  }
}

NoMoreFds::~NoMoreFds() {
  rlimit limit;
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = old_limit_;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace panbo::test
