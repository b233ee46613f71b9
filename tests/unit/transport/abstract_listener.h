// A socket that listens at an address that the kernel chose and that no file stands for.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <stdexcept>

#include "proto/unique_fd.h"

namespace panbo::test {

class AbstractListener {
 public:
  AbstractListener() : socket_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    address_.sun_family = AF_UNIX;
    auto* const address = reinterpret_cast<sockaddr*>(&address_);
    if (::bind(socket_.get(), address, sizeof(address_.sun_family)) < 0 ||
        ::getsockname(socket_.get(), address, &size_) < 0 || ::listen(socket_.get(), SOMAXCONN) < 0) {
      throw std::runtime_error("cannot listen");
    }
  }

  /// Connects at once, whether anybody accepts or not.
  [[nodiscard]] UniqueFd connect() const {
    UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address_), size_) < 0) {
      throw std::runtime_error("cannot connect");
    }
    return fd;
  }
  UniqueFd take_socket() { return std::move(socket_); }

 private:
  UniqueFd socket_;
  sockaddr_un address_{};
  socklen_t size_ = sizeof(address_);
};

}  // namespace panbo::test
