// Accepts the connections of one listening socket, one in each piece. Nobody knows who pays before the connection is
// there, so these pieces are the house's, and do no more than that.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "daemon/core/turns.h"
#include "daemon/service/messages.h"
#include "daemon/transport/line_limit.h"
#include "proto/unique_fd.h"

namespace panbo {

class Listener : private Turns::Work {
 public:
  /// `socket` listens, and does not block. `on_accept` gets each connection and who made it, and must not destroy the
  /// listener. Throws boost::system::system_error if the socket cannot be waited for.
  Listener(boost::asio::io_context& io, Turns& turns, UniqueFd socket,
           std::function<void(UniqueFd, const Peer&)> on_accept);

 private:
  Piece do_piece(Time now) override;
  void wait();
  void accept(Time now);
  void pause(Errno why, Time now);

  Turns& turns_;
  boost::asio::posix::stream_descriptor socket_;
  boost::asio::steady_timer pause_;
  const std::function<void(UniqueFd, const Peer&)> on_accept_;
  /// Paused since the last connection.
  bool paused_ = false;
  /// Whoever takes the last fds and gives them back, again and again, must not fill the log.
  LineLimit lines_{std::chrono::minutes(1)};
  /// The log says that it is paused.
  bool said_ = false;
};

}  // namespace panbo
