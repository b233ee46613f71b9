#include "tests/unit/transport/test_peer.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <stdexcept>

#include "proto/limits.h"
#include "proto/packet.h"

namespace panbo::test {

std::pair<UniqueFd, UniqueFd> socket_pair(bool tiny) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
    throw std::runtime_error("socketpair");
  }
  std::pair pair{UniqueFd(ends[0]), UniqueFd(ends[1])};
  // The kernel takes its own minimum instead.
  const int smallest = 1;
  if (tiny) ::setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &smallest, sizeof(smallest));
  return pair;
}

Result<void> TestPeer::send(const wire::Envelope& message) {
  return send_raw(message.SerializeAsString());
}

Result<void> TestPeer::send_raw(std::string_view bytes, std::span<const int> fds) {
  return send_packet(socket_.get(), std::as_bytes(std::span(bytes)), fds, MSG_DONTWAIT);
}

std::optional<TestPeer::Packet> TestPeer::receive() {
  std::array<std::byte, limits::kMaxPacketBytes> buffer;
  ReceivedFds fds;
  const auto received = receive_packet(socket_.get(), buffer, fds, MSG_DONTWAIT);
  if (!received || received->status == PacketStatus::kEndOfStream) return std::nullopt;
  EXPECT_EQ(received->status, PacketStatus::kComplete);
  Packet packet;
  EXPECT_TRUE(packet.message.ParseFromArray(buffer.data(), static_cast<int>(received->bytes)));
  for (size_t i = 0; i < fds.count(); ++i) packet.fds.push_back(fds.take(i));
  return packet;
}

bool TestPeer::at_end() {
  std::byte byte;
  const ssize_t n = ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n == 0 || (n < 0 && errno == ECONNRESET);
}

bool TestPeer::was_read() const {
  const auto read = peer_has_read_all(socket_.get());
  return read && *read;
}

wire::Envelope hello(uint64_t request, const std::string& name) {
  wire::Envelope message;
  message.set_request_id(request);
  message.mutable_hello()->set_protocol_version(limits::kProtocolVersion);
  message.mutable_hello()->set_name(name);
  return message;
}

wire::Envelope alloc(uint64_t request, std::initializer_list<uint64_t> sizes, uint64_t timeout_ns) {
  wire::Envelope message;
  message.set_request_id(request);
  message.mutable_alloc()->set_timeout_ns(timeout_ns);
  for (const uint64_t size : sizes) message.mutable_alloc()->add_items()->set_size(size);
  return message;
}

wire::Envelope release(uint64_t request, std::initializer_list<uint64_t> leases) {
  wire::Envelope message;
  message.set_request_id(request);
  message.mutable_release();
  for (const uint64_t lease : leases) message.mutable_release()->add_lease_ids(lease);
  return message;
}

}  // namespace panbo::test
