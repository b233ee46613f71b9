// Work that an fd announces, and that belongs to nobody in particular: it is done in the house's turns.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>

#include "daemon/core/turns.h"

namespace panbo {

class FdWork : private Turns::Work {
 public:
  /// `fd` is borrowed, and must stay open as long as this lives. When it is readable, `do_one` is called in the house's
  /// turns, as often as it says that there is more; then the fd is waited for again. Throws boost::system::system_error
  /// if the fd cannot be polled.
  FdWork(boost::asio::io_context& io, Turns& turns, int fd, std::function<Piece()> do_one);
  ~FdWork() override;

 private:
  [[nodiscard]] bool wait(boost::system::error_code& error);
  Piece do_piece(Time now) override;

  Turns& turns_;
  const int fd_;
  /// Has the fd while it is waited for.
  boost::asio::posix::stream_descriptor descriptor_;
  const std::function<Piece()> do_one_;
};

}  // namespace panbo
