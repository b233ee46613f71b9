// One administrator, that is one panboctl: asks, and is answered.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "daemon/device/sim_control.h"
#include "daemon/service/service.h"
#include "daemon/transport/connection.h"
#include "daemon/transport/decode.h"
#include "daemon/transport/encode.h"
#include "daemon/transport/fds_in_flight.h"

namespace panbo {

/// What all admin connections share. What it refers to must outlive them, but for their destruction.
struct AdminContext {
  boost::asio::io_context& io;
  Service& service;
  const FdsInFlightRegistry& fds_in_flight;
  /// Null unless the device is the simulated one.
  SimControl* sim;
  const DaemonInfo& daemon;
  const std::vector<SettingRow>& settings;
  const ConnectionLimits& limits;
};

class AdminConnection : public Connection {
 public:
  /// `on_end` is called once, from the event loop. Throws as Connection does.
  AdminConnection(const AdminContext& context, UniqueFd socket, const Peer& peer,
                  std::function<void(AdminConnection&)> on_end);

 private:
  /// An eviction that is being carried out in pieces.
  struct Eviction {
    RequestId request;
    EvictRequest what;
    EvictedReply done;
  };

  void on_packet(std::span<const std::byte> packet) override;
  [[nodiscard]] bool has_backlog() const override { return eviction_.has_value(); }
  void work_off() override;
  [[nodiscard]] std::vector<std::string> answer(RequestId request, const AdminMessage& message);
  void on_violation(const char* what) override;
  void on_end(UniqueFd) override { on_end_(*this); }
  [[nodiscard]] bool has_output() const override { return !output_.empty(); }
  Result<void> send_front() override;
  void give_up(Errno) override { end(); }

  Service& service_;
  const FdsInFlightRegistry& fds_in_flight_;
  SimControl* const sim_;
  const DaemonInfo& daemon_;
  const std::vector<SettingRow>& settings_;
  const std::function<void(AdminConnection&)> on_end_;
  std::deque<std::string> output_;
  std::optional<Eviction> eviction_;
};

}  // namespace panbo
