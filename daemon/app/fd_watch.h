// Calls a function whenever an fd that belongs to somebody else has something to tell.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>

namespace panbo {

class FdWatch {
 public:
  using Wait = boost::asio::posix::stream_descriptor::wait_type;

  /// `fd` is borrowed, and must stay open as long as this lives. `on_event` is called once for each event, and answers
  /// whether to go on watching; if not, the fd is taken out of the event loop. Throws boost::system::system_error if
  /// the fd cannot be polled.
  FdWatch(boost::asio::io_context& io, int fd, Wait wait, std::function<bool()> on_event);
  ~FdWatch();
  FdWatch(const FdWatch&) = delete;
  FdWatch& operator=(const FdWatch&) = delete;

 private:
  void wait();

  boost::asio::posix::stream_descriptor fd_;
  const Wait wait_;
  const std::function<bool()> on_event_;
};

}  // namespace panbo
