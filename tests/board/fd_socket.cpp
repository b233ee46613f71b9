#include "tests/board/fd_socket.h"

#include <sys/socket.h>

#include <cstring>
#include <stdexcept>

namespace panbo::test {

SocketPair::SocketPair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("socketpair");
  here.reset(ends[0]);
  there.reset(ends[1]);
}

Result<void> send_fds(int socket, std::span<const int> fds) {
  char byte = 0;
  iovec io{.iov_base = &byte, .iov_len = 1};
  std::vector<cmsghdr> control(CMSG_SPACE(fds.size_bytes()) / sizeof(cmsghdr) + 1);
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = CMSG_SPACE(fds.size_bytes());
  cmsghdr* c = CMSG_FIRSTHDR(&message);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(fds.size_bytes());
  std::memcpy(CMSG_DATA(c), fds.data(), fds.size_bytes());
  if (::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) return Errno::last();
  return {};
}

Result<ReceivedBytes> receive_fds(int socket) {
  char byte;
  iovec io{.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 256)];
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t n = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n < 0) return Errno::last();
  ReceivedBytes received{.bytes = n, .fds = {}, .fds_lost = (message.msg_flags & MSG_CTRUNC) != 0};
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
      received.fds.emplace_back(fd);
    }
  }
  return received;
}

}  // namespace panbo::test
