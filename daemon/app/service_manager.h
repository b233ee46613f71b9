// What panbod tells systemd, if systemd wants to know.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <string>

namespace panbo {

class ServiceManager {
 public:
  /// Pings the watchdog from the event loop, if the unit has one: a loop that hangs does not ping.
  explicit ServiceManager(boost::asio::io_context& io);

  void ready(const std::string& status);
  void stopping();

 private:
  void ping();

  boost::asio::steady_timer timer_;
  /// Zero: no watchdog.
  std::chrono::microseconds interval_{};
};

}  // namespace panbo
