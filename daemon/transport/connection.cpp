// Sending fails for many reasons that pass: the peer does not read (EAGAIN, or EDQUOT for its fds), the daemon is short
// of fds (EMFILE, ENFILE, ETOOMANYREFS) or of memory. There is no event for most of them, so it is tried again, ever
// more slowly, within a limit. All others mean that the peer is gone.

#include "daemon/transport/connection.h"

#include <algorithm>
#include <array>

#include "proto/limits.h"

namespace panbo {
namespace {

constexpr Duration kFirstRetry = std::chrono::milliseconds(1);
constexpr Duration kLongestRetry = std::chrono::milliseconds(64);

// Measured on a desktop machine: waiting for a packet, reading and decoding it takes some 2 us, sending one as long,
// and closing a socket with all that belongs to it some 10 us.
constexpr Price kReadPrice = 20;
constexpr Price kSendPrice = 20;
constexpr Price kEndPrice = 100;

bool may_pass(Errno error) {
  switch (error.value) {
    case EAGAIN:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case ETOOMANYREFS:
      return true;
    default:
      return false;
  }
}

}  // namespace

Connection::Connection(const ConnectionLoop& loop, UniqueFd socket, const ConnectionLimits& limits)
    : io_(loop.io), turns_(loop.turns), payer_(loop.payer), socket_(loop.io), retry_(loop.io), limits_(limits) {
  socket_.assign(socket.get());
  static_cast<void>(socket.release());
}

void Connection::start() {
  wait_for_packet();
}

void Connection::end() {
  if (ended_) return;
  ended_ = true;
  queue();
}

void Connection::end_when_sent() {
  ending_ = true;
  if (has_output()) {
    send_later();
  } else {
    end();
  }
}

Turns::Work::Piece Connection::do_piece(Time) {
  const auto self = shared_from_this();
  if (ended_) {
    retry_.cancel();
    on_end(UniqueFd(socket_.release()));
    return {.price = std::exchange(owed_, 0) + kEndPrice, .more = false};
  }
  in_piece_ = true;
  do_next();
  in_piece_ = false;
  const bool more = can_send() || can_go_on() || wants_to_read();
  // What has ended is queued already, for its last piece.
  if (!more && !ended_) wait_for_packet();
  return {.price = std::exchange(owed_, 0), .more = more};
}

void Connection::do_next() {
  if (can_send()) {
    send_one();
  } else if (can_go_on()) {
    work_off();
  } else if (wants_to_read() && !is_busy()) {
    readable_ = false;
    read();
  }
}

void Connection::wait_for_packet() {
  if (waiting_ || ending_ || ended_ || has_output() || has_backlog()) return;
  waiting_ = true;
  socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->waiting_ = false;
                       if (error || self->ending_ || self->ended_) return;
                       self->readable_ = true;
                       self->queue();
                     });
}

void Connection::read() {
  pay(kReadPrice);
  std::array<std::byte, limits::kMaxPacketBytes> buffer;
  ReceivedFds fds;
  const auto packet = receive_packet(socket(), buffer, fds, MSG_DONTWAIT);
  if (!packet) {
    if (packet.error() != Errno{EAGAIN}) end();
  } else if (packet->status == PacketStatus::kEndOfStream) {
    end();
  } else if (packet->status == PacketStatus::kEmpty) {
    on_violation("sent an empty packet");
    end();
  } else if (packet->status == PacketStatus::kTooLarge) {
    on_violation("sent a packet that is too large");
    end();
  } else if (fds.count() > 0 || packet->status == PacketStatus::kFdsLost) {
    on_violation("sent file descriptors");
    end();
  } else {
    on_packet(std::span(buffer).first(packet->bytes));
  }
}

void Connection::send_later() {
  if (can_send() && !in_piece_) queue();
}

void Connection::flush() {
  while (!retry_waits_ && send_one()) continue;
}

// Returns false if there is nothing more to do now.
bool Connection::send_one() {
  if (ended_) return false;
  if (has_output()) {
    pay(kSendPrice);
    const auto ready = prepare_front();
    if (ready && !*ready) return true;
    const auto sent = ready ? send_front() : Result<void>(ready.error());
    if (sent) {
      stalled_since_.reset();
    } else if (!ready || may_pass(sent.error())) {
      // Only what the kernel says of the socket ends the connection.
      stall(sent.error());
      return false;
    } else {
      end();
      return false;
    }
  }
  if (has_output()) return true;
  if (ending_) end();
  return false;
}

void Connection::stall(Errno why) {
  const Time now = std::chrono::steady_clock::now();
  if (!stalled_since_) {
    stalled_since_ = now;
    retry_delay_ = kFirstRetry;
  } else {
    if (now - *stalled_since_ >= limits_.stall_limit) give_up(why);
    retry_delay_ = std::min(2 * retry_delay_, kLongestRetry);
  }
  retry_waits_ = true;
  retry_.expires_after(retry_delay_);
  retry_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (error || self->ended_) return;
    self->retry_waits_ = false;
    self->queue();
  });
}

}  // namespace panbo
