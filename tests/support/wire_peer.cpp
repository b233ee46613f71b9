// Blocking calls with a limit that no working daemon comes near: a test that hangs would say nothing.

#include "tests/support/wire_peer.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>
#include <stdexcept>

namespace panbo {
namespace {

constexpr int kLimitMs = 60'000;

UniqueFd connect_to(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return {};
  std::memcpy(address.sun_path, path.data(), path.size());
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) < 0) return {};
  return fd;
}

}  // namespace

WirePeer::WirePeer(const std::string& path) : socket_(connect_to(path)) {
  if (!socket_.valid()) throw std::runtime_error("cannot connect to " + path);
}

bool WirePeer::can_connect(const std::string& path) {
  return connect_to(path).valid();
}

void WirePeer::send(const wire::Envelope& message) {
  const std::string packet = message.SerializeAsString();
  send_raw(std::as_bytes(std::span(packet)));
}

void WirePeer::send_raw(std::span<const std::byte> bytes, std::span<const int> fds) {
  const auto sent = send_packet(socket_.get(), bytes, fds, 0);
  if (!sent) throw std::runtime_error("send: " + sent.error().message());
}

std::optional<FromDaemon> WirePeer::receive_or_end() {
  pollfd p{.fd = socket_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&p, 1, kLimitMs) != 1) throw std::runtime_error("the daemon does not answer");
  std::array<std::byte, limits::kMaxPacketBytes> buffer;
  ReceivedFds fds;
  const auto packet = receive_packet(socket_.get(), buffer, fds, 0);
  if (!packet && packet.error() != Errno{ECONNRESET}) throw std::runtime_error("receive: " + packet.error().message());
  if (!packet || packet->status == PacketStatus::kEndOfStream) return std::nullopt;
  if (packet->status != PacketStatus::kComplete) throw std::runtime_error("the daemon sent a broken packet");
  FromDaemon from;
  if (!from.message.ParseFromArray(buffer.data(), static_cast<int>(packet->bytes))) {
    throw std::runtime_error("the daemon sent no message of panbo.proto");
  }
  for (size_t i = 0; i < fds.count(); ++i) from.fds.push_back(fds.take(i));
  return from;
}

FromDaemon WirePeer::receive() {
  auto from = receive_or_end();
  if (!from) throw std::runtime_error("the daemon closed the connection");
  return *std::move(from);
}

FromDaemon WirePeer::ask(wire::Envelope message) {
  message.set_request_id(next_request_++);
  send(message);
  for (;;) {
    FromDaemon answer = receive();
    if (answer.message.request_id() == message.request_id()) return answer;
  }
}

void WirePeer::await_end() {
  while (receive_or_end()) continue;
}

wire::Welcome WirePeer::hello(const std::string& name) {
  wire::Envelope message;
  message.mutable_hello()->set_protocol_version(limits::kProtocolVersion);
  message.mutable_hello()->set_name(name);
  const FromDaemon answer = ask(message);
  if (!answer.message.has_welcome()) throw std::runtime_error("not welcome: " + answer.message.failure().message());
  return answer.message.welcome();
}

ClientTable WirePeer::hello_with_table(const std::string& name) {
  wire::Envelope message;
  message.mutable_hello()->set_protocol_version(limits::kProtocolVersion);
  message.mutable_hello()->set_name(name);
  message.mutable_hello()->set_lease_table(true);
  FromDaemon answer = ask(message);
  if (answer.message.welcome().lease_table_words() != kLeaseTableWords || answer.fds.size() != 2) {
    throw std::runtime_error("there is no lease table");
  }
  return {std::move(answer.fds[0]), std::move(answer.fds[1])};
}

void WirePeer::send_leases_unused() {
  wire::Envelope message;
  message.mutable_leases_unused();
  send(message);
}

FromDaemon WirePeer::alloc(uint64_t size, uint32_t flags, std::chrono::nanoseconds timeout) {
  wire::Envelope message;
  wire::AllocItem& item = *message.mutable_alloc()->add_items();
  item.set_size(size);
  item.set_flags(flags);
  message.mutable_alloc()->set_timeout_ns(static_cast<uint64_t>(timeout.count()));
  return ask(message);
}

void WirePeer::release(const std::vector<uint64_t>& leases) {
  wire::Envelope message;
  for (const uint64_t lease : leases) message.mutable_release()->add_lease_ids(lease);
  send(message);
}

wire::Stats WirePeer::stats() {
  wire::Envelope message;
  message.mutable_get_stats();
  return ask(message).message.stats();
}

wire::Evicted WirePeer::evict_all() {
  wire::Envelope message;
  message.mutable_evict()->set_all(true);
  return ask(message).message.evicted();
}

wire::Envelope WirePeer::simulate(const wire::Simulate& what) {
  wire::Envelope message;
  *message.mutable_simulate() = what;
  return ask(message).message;
}

}  // namespace panbo
