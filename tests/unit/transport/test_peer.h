// The other end of a connection under test, on the same thread: nothing here waits.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "panbo.pb.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo::test {

/// Two ends of a SOCK_SEQPACKET connection, neither of which blocks. With `tiny`, the first end can send only a few
/// packets that the second one has not read.
std::pair<UniqueFd, UniqueFd> socket_pair(bool tiny = false);

class TestPeer {
 public:
  struct Packet {
    wire::Envelope message;
    std::vector<UniqueFd> fds;
  };

  explicit TestPeer(UniqueFd socket) : socket_(std::move(socket)) {}

  /// Errors: those of sendmsg(2), EAGAIN if the daemon does not read. `fds` are borrowed.
  Result<void> send(const wire::Envelope& message);
  Result<void> send_raw(std::string_view bytes, std::span<const int> fds = {});

  /// The next packet, if one is there.
  std::optional<Packet> receive();
  /// Whether the daemon has closed the connection, and everything was received.
  [[nodiscard]] bool at_end();
  /// Whether the daemon has read everything that was sent.
  [[nodiscard]] bool was_read() const;

  [[nodiscard]] int socket() const { return socket_.get(); }
  UniqueFd take_socket() { return std::move(socket_); }

 private:
  UniqueFd socket_;
};

wire::Envelope hello(uint64_t request, const std::string& name = "test");
wire::Envelope alloc(uint64_t request, std::initializer_list<uint64_t> sizes, uint64_t timeout_ns = 0);
wire::Envelope release(uint64_t request, std::initializer_list<uint64_t> leases);

}  // namespace panbo::test
