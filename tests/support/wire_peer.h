// A peer of panbod that speaks the bare protocol, well or badly, as a test says.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "panbo.pb.h"
#include "proto/packet.h"
#include "proto/unique_fd.h"
#include "tests/support/client_table.h"

namespace panbo {

/// What came from the daemon.
struct FromDaemon {
  wire::Envelope message;
  std::vector<UniqueFd> fds;
};

class WirePeer {
 public:
  /// Connects to a socket of panbod. Throws std::runtime_error.
  explicit WirePeer(const std::string& path);
  WirePeer(WirePeer&&) = default;

  [[nodiscard]] static bool can_connect(const std::string& path);

  // All throw std::runtime_error if the daemon is gone or, where something is expected, if nothing comes for long.

  void send(const wire::Envelope& message);
  void send_raw(std::span<const std::byte> bytes, std::span<const int> fds = {});
  [[nodiscard]] FromDaemon receive();
  /// Sends with a new request id, and receives the answer to it.
  FromDaemon ask(wire::Envelope message);
  /// Waits until the daemon has closed the connection; drops what it sends before.
  void await_end();

  // Messages.

  /// Says Hello and expects to be welcome.
  wire::Welcome hello(const std::string& name = "test");
  /// The same, and expects a lease table.
  ClientTable hello_with_table(const std::string& name = "test");
  void send_leases_unused();
  /// One BO; the answer may be a failure.
  FromDaemon alloc(uint64_t size, uint32_t flags = 0, std::chrono::nanoseconds timeout = {});
  void release(const std::vector<uint64_t>& leases);
  /// On the admin socket.
  wire::Stats stats();
  wire::Evicted evict_all();
  wire::Envelope simulate(const wire::Simulate& what);

  [[nodiscard]] int socket() const { return socket_.get(); }

 private:
  std::optional<FromDaemon> receive_or_end();

  UniqueFd socket_;
  uint64_t next_request_ = 1;
};

}  // namespace panbo
