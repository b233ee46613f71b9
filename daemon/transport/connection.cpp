// One packet is read per turn of the event loop, so that a client with thousands of requests in its socket gets its
// turn like any other.
//
// Sending fails for many reasons that pass: the peer does not read (EAGAIN, or EDQUOT for its fds), the daemon is short
// of fds (EMFILE, ENFILE, ETOOMANYREFS) or of memory. There is no event for most of them, so it is tried again, ever
// more slowly, within a limit. All others mean that the peer is gone.

#include "daemon/transport/connection.h"

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>

#include "proto/limits.h"

namespace panbo {
namespace {

constexpr Duration kFirstRetry = std::chrono::milliseconds(1);
constexpr Duration kLongestRetry = std::chrono::milliseconds(64);

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

Connection::Connection(boost::asio::io_context& io, UniqueFd socket, const ConnectionLimits& limits)
    : io_(io), socket_(io), retry_(io), limits_(limits) {
  socket_.assign(socket.get());
  static_cast<void>(socket.release());
}

void Connection::start() {
  wait_for_packet();
}

void Connection::end() {
  if (ended_) return;
  ended_ = true;
  boost::asio::post(io_, [self = shared_from_this()] {
    self->retry_.cancel();
    self->on_end(UniqueFd(self->socket_.release()));
  });
}

void Connection::end_when_sent() {
  ending_ = true;
  flush();
}

void Connection::wait_for_packet() {
  if (waiting_ || ending_ || ended_) return;
  waiting_ = true;
  socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->waiting_ = false;
                       if (!error && !self->ending_ && !self->ended_ && !self->stalled_since_) self->read();
                     });
}

void Connection::read() {
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
  if (!stalled_since_) wait_for_packet();
}

void Connection::flush() {
  if (!stalled_since_) send_all();
}

void Connection::send_all() {
  while (has_output() && !ended_) {
    if (const auto sent = send_front(); !sent) {
      if (may_pass(sent.error())) {
        stall(sent.error());
      } else {
        end();
      }
      return;
    }
    stalled_since_.reset();
  }
  if (ending_) end();
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
  retry_.expires_after(retry_delay_);
  retry_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (error || self->ended_) return;
    self->send_all();
    if (!self->stalled_since_) self->wait_for_packet();
  });
}

}  // namespace panbo
