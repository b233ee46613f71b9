// One packet of a SOCK_SEQPACKET socket, with the fds that travel with it.
#pragma once

#include <boost/container/static_vector.hpp>
#include <cstddef>
#include <span>

#include "proto/limits.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo {

/// The fds that came with a packet; those not taken are closed with it.
class ReceivedFds {
 public:
  /// Takes ownership. More than limits::kMaxBatch are closed at once, but counted.
  void add(UniqueFd fd);
  void clear();

  /// How many arrived.
  [[nodiscard]] size_t count() const { return count_; }
  /// Gives fd `index` to the caller; invalid if it was taken before or index is out of range.
  [[nodiscard]] UniqueFd take(size_t index);

 private:
  boost::container::static_vector<UniqueFd, limits::kMaxBatch> fds_;
  size_t count_ = 0;
};

enum class PacketStatus {
  kComplete,
  /// The peer closed its end; nothing was read.
  kEndOfStream,
  /// An empty packet: legal for the kernel, never sent by either side of panbo.
  kEmpty,
  /// Longer than the buffer; the rest is lost.
  kTooLarge,
  /// The kernel could not install every fd, because this process is at its fd limit. What did arrive is in the fds.
  kFdsLost,
};

struct ReceivedPacket {
  PacketStatus status;
  /// Valid bytes in the caller's buffer.
  size_t bytes = 0;
};

/// Sends one packet. `fds` are borrowed and duplicated into the peer. `flags` as for sendmsg(2), e.g. MSG_DONTWAIT;
/// MSG_NOSIGNAL is always added. Restarts on EINTR. Errors: those of sendmsg(2), EAGAIN among them; a packet is sent
/// whole or not at all.
Result<void> send_packet(int socket, std::span<const std::byte> bytes, std::span<const int> fds, int flags);

/// Receives one packet into `buffer`, its fds (CLOEXEC) into `fds`, which is cleared first. `flags` as for
/// recvmsg(2). Restarts on EINTR. Errors: those of recvmsg(2), EAGAIN among them.
Result<ReceivedPacket> receive_packet(int socket, std::span<std::byte> buffer, ReceivedFds& fds, int flags);

/// True when the peer has read everything that was sent on `socket`: what the kernel charges the sender for
/// (SIOCOUTQ) is down to nothing. A peer cannot feign it.
Result<bool> peer_has_read_all(int socket);

}  // namespace panbo
