// Accepts the connections of one listening socket.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "daemon/service/messages.h"
#include "proto/unique_fd.h"

namespace panbo {

class Listener {
 public:
  /// `socket` listens, and does not block. `on_accept` gets each connection and who made it, and must not destroy the
  /// listener. Throws boost::system::system_error if the socket cannot be waited for.
  Listener(boost::asio::io_context& io, UniqueFd socket, std::function<void(UniqueFd, const Peer&)> on_accept);

 private:
  void wait();
  void accept();
  void pause(Errno why);

  boost::asio::posix::stream_descriptor socket_;
  boost::asio::steady_timer pause_;
  const std::function<void(UniqueFd, const Peer&)> on_accept_;
  /// Paused since the last connection.
  bool paused_ = false;
};

}  // namespace panbo
