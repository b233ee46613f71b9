// The whole daemon, put together.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "daemon/app/board_memory.h"
#include "daemon/transport/fd_work.h"
#include "daemon/app/listening_socket.h"
#include "daemon/app/pressure_watch.h"
#include "daemon/app/recorder.h"
#include "daemon/app/service_manager.h"
#include "daemon/app/settings.h"
#include "daemon/app/shortage_log.h"
#include "daemon/device/device_thread.h"
#include "daemon/device/open_backend.h"
#include "daemon/service/service.h"
#include "daemon/transport/line_limit.h"
#include "daemon/transport/transport.h"

namespace panbo {

class SystemClock : public Clock {
 public:
  [[nodiscard]] Time now() const override { return std::chrono::steady_clock::now(); }
};

class Daemon {
 public:
  /// Throws SettingsError, StartError and std::system_error.
  explicit Daemon(const Settings& settings);

  /// Serves until SIGTERM, SIGINT or SIGHUP.
  void run();

 private:
  [[nodiscard]] Settings with_sockets(Settings settings) const;
  [[nodiscard]] ServiceOptions service_options(const Settings& settings);
  [[nodiscard]] TransportOptions transport_options(const Settings& settings) const;
  /// Until something has happened.
  void sleep();
  /// Something long may begin: from now on the loop is busy, if it was not before.
  void woke();
  void run_round();
  Turns::Work::Piece take_idle();
  Turns::Work::Piece take_done();
  void arm_timer();

  // In order: what is used stands before what uses it.
  /// Without locks: it is one thread's. The device worker tells it of what it has done through an eventfd.
  boost::asio::io_context io_{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE};
  /// Before anybody can know of us: from then on SIGTERM ends us in order.
  boost::asio::signal_set signals_;
  SystemClock clock_;
  const std::string cgroup_;
  BoardMemory memory_;
  const Limits limits_;
  ShortageLog shortages_;
  std::optional<Recorder> recorder_;
  OpenedBackend device_;
  ListeningSockets sockets_;
  DeviceThread worker_;
  Service service_;
  Transport transport_;
  FdWork idle_;
  FdWork done_;
  std::optional<PressureWatch> pressure_;
  /// Of pressure: a client that stays at the board's limit causes it many times a second.
  LineLimit some_lines_{std::chrono::seconds(1)};
  LineLimit full_lines_{std::chrono::seconds(1)};
  /// What the device and the worker have reported, as far as it waits for the house's turn.
  std::vector<BoId> idle_bos_;
  std::deque<CreatedBo> created_bos_;
  boost::asio::steady_timer timer_;
  /// When the timer goes off.
  std::optional<Time> armed_;
  /// Since when the loop is busy; nothing while it sleeps.
  std::optional<Time> awake_since_ = clock_.now();
  ServiceManager manager_;
};

}  // namespace panbo
