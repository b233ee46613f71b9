// Packets with fds, up to and past the kernel's limits; the project's own packet code keeps its own, lower ones.
#pragma once

#include <span>
#include <vector>

#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo::test {

/// Two ends of a SOCK_SEQPACKET connection. Throws if there is none to be had.
struct SocketPair {
  SocketPair();

  UniqueFd here;
  UniqueFd there;
};

/// Sends one byte and the fds, without blocking.
Result<void> send_fds(int socket, std::span<const int> fds);

struct ReceivedBytes {
  ssize_t bytes;
  std::vector<UniqueFd> fds;
  /// MSG_CTRUNC was set.
  bool fds_lost;
};

/// Receives one packet, without blocking.
Result<ReceivedBytes> receive_fds(int socket);

}  // namespace panbo::test
