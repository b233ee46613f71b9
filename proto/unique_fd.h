// Ownership of a file descriptor in the type: closed once, by whoever holds it last.
#pragma once

#include <unistd.h>

#include <utility>

namespace panbo {

class UniqueFd {
 public:
  UniqueFd() = default;
  /// Takes ownership of `fd`; a negative number is "none".
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~UniqueFd() { reset(); }

  /// Borrowed; -1 if there is none.
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }

  /// Gives ownership to the caller.
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

  /// Closes what is held, and takes ownership of `fd`.
  void reset(int fd = -1) {
    const int old = std::exchange(fd_, fd);
    if (old >= 0) ::close(old);
  }

 private:
  int fd_ = -1;
};

}  // namespace panbo
