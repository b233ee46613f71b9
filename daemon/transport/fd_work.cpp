// The fd is waited for again only after the work is done. Until then it stays readable, and would keep the event loop
// busy with nothing.
//
// Asio would close the fd with its descriptor; it is released instead.

#include "daemon/transport/fd_work.h"

#include <utility>

namespace panbo {

FdWork::FdWork(boost::asio::io_context& io, Turns& turns, int fd, std::function<Piece()> do_one)
    : turns_(turns), fd_(io, fd), do_one_(std::move(do_one)) {
  wait();
}

FdWork::~FdWork() {
  fd_.release();
}

void FdWork::wait() {
  fd_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& error) {
    if (!error) turns_.add(kHouse, *this);
  });
}

Turns::Work::Piece FdWork::do_piece(Time) {
  const Piece piece = do_one_();
  if (!piece.more) wait();
  return piece;
}

}  // namespace panbo
