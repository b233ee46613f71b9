// One accepted socket: packets in, packets out, with backpressure. What the packets mean is up to the subclass.
//
//            ┌────────── packet ──────────┐
//            ▼                            │
//   start ► Reading ── cannot send ──► Stalled ── still cannot, for long ──► give_up()
//            ▲                            │
//            └───────── sent ─────────────┘
//
// While it is stalled nothing is read from the peer, so what waits to be sent is bounded by what it had asked before.
// From anywhere end() leads to the end, later: the socket is closed and on_end() called from the event loop, never from
// within the call that found the reason.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <span>

#include "daemon/core/clock.h"
#include "proto/packet.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo {

struct ConnectionLimits {
  /// A client that has not said Hello after this is disconnected. Shorter ones have broken boots elsewhere.
  Duration hello_timeout = std::chrono::seconds(30);
  /// How long sending may be impossible before give_up().
  Duration stall_limit = std::chrono::seconds(10);
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  virtual ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Begins to read.
  virtual void start();

  /// Ends the connection, soon. May be called from anywhere, more than once.
  void end();

 protected:
  /// Throws boost::system::system_error if the socket cannot be waited for.
  Connection(boost::asio::io_context& io, UniqueFd socket, const ConnectionLimits& limits);

  /// A packet that came whole and without fds.
  virtual void on_packet(std::span<const std::byte> packet) = 0;
  /// The peer did what it must not; `what` says so to people. Followed by end().
  virtual void on_violation(const char* what) = 0;
  /// The connection is over, and the socket, which closing ends for the peer as well, is given away; the last call.
  virtual void on_end(UniqueFd socket) = 0;

  [[nodiscard]] virtual bool has_output() const = 0;
  /// Sends the first packet of the output and drops it. Errors: any of sendmsg(2) or of what the packet needs; then it
  /// is still the first.
  virtual Result<void> send_front() = 0;
  /// The first packet could not be sent for a long time, lately for this reason. Drops or replaces it, or ends the
  /// connection.
  virtual void give_up(Errno why) = 0;

  /// Sends what there is to send, as far as it goes now. Does not call back but for the above.
  void flush();
  /// Reads no more, and ends when everything is sent.
  void end_when_sent();

  [[nodiscard]] int socket() { return socket_.native_handle(); }
  [[nodiscard]] boost::asio::io_context& io() { return io_; }
  [[nodiscard]] const ConnectionLimits& limits() const { return limits_; }
  [[nodiscard]] bool ended() const { return ended_; }

 private:
  void wait_for_packet();
  void read();
  void send_all();
  void stall(Errno why);

  boost::asio::io_context& io_;
  boost::asio::posix::stream_descriptor socket_;
  boost::asio::steady_timer retry_;
  const ConnectionLimits limits_;
  bool waiting_ = false;
  bool ending_ = false;
  bool ended_ = false;
  /// Since when nothing could be sent, and how long until that is tried again.
  std::optional<Time> stalled_since_;
  Duration retry_delay_{};
};

}  // namespace panbo
