// A thin layer over sendmsg and recvmsg that cannot leak an fd: each one that arrives is owned before anything else
// is looked at, whatever the sender put into the control message.
//
// The control buffer holds as many fds as the kernel allows in one packet (SCM_MAX_FD), not only as many as we
// accept: with a smaller buffer the kernel would report a sender's surplus as MSG_CTRUNC, which would then be
// indistinguishable from our own fd table being full.

#include "proto/packet.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

namespace panbo {
namespace {

constexpr size_t kKernelMaxFds = 253;

// The kernel reports an orderly end and an empty packet alike: a read of 0 bytes.
bool peer_is_gone(int socket) {
  pollfd p{.fd = socket, .events = POLLRDHUP, .revents = 0};
  return ::poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void own_fds(msghdr& message, ReceivedFds& fds) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
      fds.add(UniqueFd(fd));
    }
  }
}

}  // namespace

void ReceivedFds::add(UniqueFd fd) {
  if (fds_.size() < limits::kMaxBatch) fds_.push_back(std::move(fd));
  ++count_;
}

void ReceivedFds::clear() {
  fds_.clear();
  count_ = 0;
}

UniqueFd ReceivedFds::take(size_t index) {
  return index < fds_.size() ? std::move(fds_[index]) : UniqueFd();
}

Result<void> send_packet(int socket, std::span<const std::byte> bytes, std::span<const int> fds, int flags) {
  iovec io{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * limits::kMaxBatch)];
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    if (fds.size() > limits::kMaxBatch) return Errno{EINVAL};
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(c), fds.data(), fds.size_bytes());
  }
  while (::sendmsg(socket, &message, flags | MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return Errno::last();
  }
  return {};
}

Result<ReceivedPacket> receive_packet(int socket, std::span<std::byte> buffer, ReceivedFds& fds, int flags) {
  fds.clear();
  iovec io{.iov_base = buffer.data(), .iov_len = buffer.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kKernelMaxFds)];
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t n;
  do {
    n = ::recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return Errno::last();

  own_fds(message, fds);
  ReceivedPacket packet{.status = PacketStatus::kComplete, .bytes = static_cast<size_t>(n)};
  if ((message.msg_flags & MSG_TRUNC) != 0) {
    packet.status = PacketStatus::kTooLarge;
  } else if ((message.msg_flags & MSG_CTRUNC) != 0) {
    packet.status = PacketStatus::kFdsLost;
  } else if (n == 0) {
    packet.status = fds.count() == 0 && peer_is_gone(socket) ? PacketStatus::kEndOfStream : PacketStatus::kEmpty;
  }
  return packet;
}

Result<bool> peer_has_read_all(int socket) {
  int unread = 0;
  if (::ioctl(socket, SIOCOUTQ, &unread) < 0) return Errno::last();
  return unread == 0;
}

}  // namespace panbo
