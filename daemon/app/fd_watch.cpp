// Asio would close the fd with its descriptor; it is released instead.

#include "daemon/app/fd_watch.h"

#include <utility>

namespace panbo {

FdWatch::FdWatch(boost::asio::io_context& io, int fd, Wait wait, std::function<bool()> on_event)
    : fd_(io, fd), wait_(wait), on_event_(std::move(on_event)) {
  this->wait();
}

FdWatch::~FdWatch() {
  fd_.release();
}

void FdWatch::wait() {
  fd_.async_wait(wait_, [this](const boost::system::error_code& error) {
    if (error) return;
    if (on_event_()) {
      wait();
    } else {
      // An fd that has gone bad would wake the event loop for ever.
      fd_.release();
    }
  });
}

}  // namespace panbo
