// One accepted socket: packets in, packets out, with backpressure. What the packets mean is up to the subclass.
//
//            ┌────────── packet ──────────┐
//            ▼                            │
//   start ► Reading ── cannot send ──► Stalled ── still cannot, for long ──► give_up()
//            ▲                            │
//            └───────── sent ─────────────┘
//
// A connection is work for its user's turns (turns.h). The event loop only queues it: when its socket is readable, when
// it is time to try again to send, when it is to end. Each piece sends a packet or a part of one, or goes on with what
// the subclass has to do, or reads one packet and handles it, in this order. So nothing is read from the peer while
// something waits to be sent to it, and what waits is bounded by what it had asked before.
//
// From anywhere end() leads to the end, later: the socket is closed and on_end() called in a piece of its own, never
// from within the call that found the reason.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "daemon/core/clock.h"
#include "daemon/core/turns.h"
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

/// The loop that a connection lives in, and who pays for what it does there.
struct ConnectionLoop {
  boost::asio::io_context& io;
  Turns& turns;
  UserId payer;
};

class Connection : public std::enable_shared_from_this<Connection>, private Turns::Work {
 public:
  ~Connection() override = default;

  /// Begins to read.
  virtual void start();

  /// Ends the connection, soon. May be called from anywhere, more than once.
  void end();

 protected:
  /// Throws boost::system::system_error if the socket cannot be waited for.
  Connection(const ConnectionLoop& loop, UniqueFd socket, const ConnectionLimits& limits);

  /// A packet that came whole and without fds.
  virtual void on_packet(std::span<const std::byte> packet) = 0;
  /// The peer did what it must not; `what` says so to people. Followed by end().
  virtual void on_violation(const char* what) = 0;
  /// The connection is over, and the socket, which closing ends for the peer as well, is given away; the last call.
  virtual void on_end(UniqueFd socket) = 0;

  /// The peer's earlier requests have left something to do, which comes before what it asks next.
  [[nodiscard]] virtual bool has_backlog() const { return false; }
  /// Does the next piece of it.
  virtual void work_off() {}

  /// What the peer asked before is being done right now by other work of the same user. What it asks next has to wait.
  [[nodiscard]] virtual bool is_busy() const { return false; }

  [[nodiscard]] virtual bool has_output() const = 0;
  /// Does one more piece of what the first packet of the output needs before it can be sent. True: it can be sent.
  /// Errors: as send_front().
  virtual Result<bool> prepare_front() { return true; }
  /// Sends the first packet of the output and drops it. Errors: any of sendmsg(2) or of what the packet needs; then it
  /// is still the first.
  virtual Result<void> send_front() = 0;
  /// The first packet could not be sent for a long time, lately for this reason. Drops or replaces it, or ends the
  /// connection.
  virtual void give_up(Errno why) = 0;

  /// There is output: it is sent in the pieces to come.
  void send_later();
  /// Sends what there is to send, as far as it goes now. Does not call back but for the above.
  void flush();
  /// Reads no more, and ends when everything is sent.
  void end_when_sent();
  /// What was done for the peer has cost this, beyond what a connection costs by itself. It is paid with the next
  /// piece.
  void pay(Price price) { owed_ += price; }

  [[nodiscard]] int socket() { return socket_.native_handle(); }
  [[nodiscard]] boost::asio::io_context& io() { return io_; }
  [[nodiscard]] const ConnectionLimits& limits() const { return limits_; }
  [[nodiscard]] bool ended() const { return ended_; }
  /// A piece of this connection is being done, so that what is done now is done in its user's turn.
  [[nodiscard]] bool in_own_piece() const { return in_piece_; }

 private:
  Piece do_piece(Time now) override;
  void do_next();
  void queue() { turns_.add(payer_, *this); }
  void wait_for_packet();
  void read();
  bool send_one();
  void stall(Errno why);
  [[nodiscard]] bool can_send() const { return has_output() && !ended_ && !retry_waits_; }
  [[nodiscard]] bool can_go_on() const { return has_backlog() && !ended_; }
  [[nodiscard]] bool wants_to_read() const {
    return readable_ && !ending_ && !ended_ && !has_output() && !has_backlog();
  }

  boost::asio::io_context& io_;
  Turns& turns_;
  const UserId payer_;
  boost::asio::posix::stream_descriptor socket_;
  boost::asio::steady_timer retry_;
  const ConnectionLimits limits_;
  Price owed_ = 0;
  bool in_piece_ = false;
  bool waiting_ = false;
  bool readable_ = false;
  bool ending_ = false;
  bool ended_ = false;
  /// Since when nothing could be sent, and how long until that is tried again.
  std::optional<Time> stalled_since_;
  Duration retry_delay_{};
  bool retry_waits_ = false;
};

}  // namespace panbo
