// sd_notify does nothing where nobody listens, so nothing here asks whether systemd is there.

#include "daemon/app/service_manager.h"

#include <systemd/sd-daemon.h>

namespace panbo {

ServiceManager::ServiceManager(boost::asio::io_context& io) : timer_(io) {
  uint64_t timeout_us = 0;
  if (::sd_watchdog_enabled(0, &timeout_us) <= 0) return;
  interval_ = std::chrono::microseconds(timeout_us / 2);
  ping();
}

void ServiceManager::ready(const std::string& status) {
  ::sd_notify(0, ("READY=1\nSTATUS=" + status).c_str());
}

void ServiceManager::stopping() {
  ::sd_notify(0, "STOPPING=1");
}

void ServiceManager::ping() {
  ::sd_notify(0, "WATCHDOG=1");
  timer_.expires_after(interval_);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) ping();
  });
}

}  // namespace panbo
