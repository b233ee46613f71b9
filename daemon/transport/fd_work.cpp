// The fd is given to the event loop only while it is waited for. Until the work is done it stays readable, and an fd that
// is an epoll set, as that of idle BOs is, is reported anew at each look at the event loop although nobody waits for it:
// each would be an event that there is nothing to do about.
//
// Asio would close the fd with its descriptor; it is released instead.

#include "daemon/transport/fd_work.h"

#include <utility>

namespace panbo {

FdWork::FdWork(boost::asio::io_context& io, Turns& turns, int fd, std::function<Piece()> do_one)
    : turns_(turns), fd_(fd), descriptor_(io), do_one_(std::move(do_one)) {
  boost::system::error_code error;
  if (!wait(error)) throw boost::system::system_error(error);
}

FdWork::~FdWork() {
  if (descriptor_.is_open()) descriptor_.release();
}

bool FdWork::wait(boost::system::error_code& error) {
  descriptor_.assign(fd_, error);
  if (error) return false;
  descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                         [this](const boost::system::error_code& failure) {
                           if (failure) return;
                           descriptor_.release();
                           turns_.add(kHouse, *this);
                         });
  return true;
}

Turns::Work::Piece FdWork::do_piece(Time) {
  Piece piece = do_one_();
  if (piece.more) return piece;
  // Where the kernel has no memory to watch the fd, it is looked at in every turn.
  boost::system::error_code error;
  piece.more = !wait(error);
  return piece;
}

}  // namespace panbo
