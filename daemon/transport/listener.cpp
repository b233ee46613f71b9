// Accepting stops before the fd table is full (fd_reserve.h): the last fds are for the clients that are there.
//
// When the fd table is full accept fails while the socket stays readable: a daemon that goes on trying spins, and one
// that gives up never comes back. So it is left alone for a moment; those who connect wait in the backlog meanwhile.
// The same goes for every failure that says nothing of one connection alone.
//
// One connection a turn of the event loop, so that a flood of them does not keep the clients waiting.

#include "daemon/transport/listener.h"

#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <utility>

#include "daemon/transport/credentials.h"
#include "daemon/transport/fd_reserve.h"

namespace panbo {
namespace {

constexpr auto kPause = std::chrono::milliseconds(100);
constexpr Price kAcceptPrice = 5 * kDeviceCall;

}  // namespace

Listener::Listener(boost::asio::io_context& io, Turns& turns, UniqueFd socket,
                   std::function<void(UniqueFd, const Peer&)> on_accept)
    : turns_(turns), socket_(io), pause_(io), on_accept_(std::move(on_accept)) {
  socket_.assign(socket.get());
  static_cast<void>(socket.release());
  wait();
}

void Listener::wait() {
  socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& error) {
    if (!error) turns_.add(kHouse, *this);
  });
}

Turns::Work::Piece Listener::do_piece(Time now) {
  accept(now);
  return {.price = kAcceptPrice, .more = false};
}

void Listener::accept(Time now) {
  if (only_reserved_fds_are_left(socket_.native_handle())) {
    pause(Errno{EMFILE}, now);
    return;
  }
  UniqueFd connection(::accept4(socket_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!connection.valid()) {
    const Errno error = Errno::last();
    switch (error.value) {
      case EAGAIN:
      case ECONNABORTED:
      case EINTR:
        // It is gone already, or was somebody else's.
        wait();
        return;
      default:
        pause(error, now);
        return;
    }
  }
  if (paused_ && said_) spdlog::info("connections are accepted again");
  paused_ = false;
  if (const auto peer = peer_of(connection.get())) {
    on_accept_(std::move(connection), *peer);
  } else {
    spdlog::warn("a connection was refused, since the kernel does not tell whose it is: {}", peer.error().message());
  }
  wait();
}

void Listener::pause(Errno why, Time now) {
  if (!paused_) {
    said_ = lines_.allows(now);
    if (said_) spdlog::error("no connections are accepted for now: {}", why.message());
  }
  paused_ = true;
  pause_.expires_after(kPause);
  pause_.async_wait([this](const boost::system::error_code& error) {
    if (!error) turns_.add(kHouse, *this);
  });
}

}  // namespace panbo
