// One client of the daemon: its socket on one side, its session on the other.
#pragma once

#include <bitset>
#include <boost/container/static_vector.hpp>
#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "daemon/device/backend.h"
#include "daemon/service/service.h"
#include "daemon/transport/client_log.h"
#include "daemon/transport/connection.h"
#include "daemon/transport/decode.h"
#include "daemon/transport/encode.h"
#include "daemon/transport/fds_in_flight.h"
#include "daemon/transport/shared_table.h"

namespace panbo {

/// What all client connections share. What it refers to must outlive them, but for their destruction.
struct ClientContext {
  boost::asio::io_context& io;
  Service& service;
  Backend& backend;
  std::shared_ptr<FdsInFlightRegistry> fds_in_flight;
  ClientLog& log;
  const DaemonInfo& daemon;
  const ConnectionLimits& limits;
};

class ClientConnection : public Connection, private ClientPort {
 public:
  /// `on_end` is called once, from the event loop, when the session has ended. Throws as Connection does.
  ClientConnection(const ClientContext& context, UniqueFd socket, const Peer& peer,
                   std::function<void(ClientConnection&)> on_end);
  ~ClientConnection() override;

  void start() override;
  [[nodiscard]] const Peer& peer() const { return peer_; }

 private:
  struct Output {
    RequestId request;
    ClientReply reply;
  };
  /// The fds of the grant that is the first of the output, as far as they have been made.
  struct Exports {
    Charge charge;
    boost::container::static_vector<UniqueFd, limits::kMaxBatch> fds;
    boost::container::static_vector<uint64_t, limits::kMaxBatch> inodes;
  };

  void on_packet(std::span<const std::byte> packet) override;
  void on_violation(const char* what) override;
  void on_end(UniqueFd socket) override;
  [[nodiscard]] bool has_backlog() const override;
  [[nodiscard]] bool is_busy() const override { return service_.is_busy(id_); }
  void work_off() override;
  [[nodiscard]] bool has_output() const override { return !output_.empty() || event_due_; }
  Result<bool> prepare_front() override;
  Result<void> send_front() override;
  void give_up(Errno why) override;

  void reply(RequestId request, ClientReply reply) override;
  void close() override { end_when_sent(); }
  std::span<LeaseWord> make_lease_table() override;
  void ring() override;

  Result<void> send(RequestId request, const WelcomeReply& welcome);
  Result<void> send(RequestId request, const GrantedReply& granted);
  Result<void> send(const std::string& packet);
  Result<void> send_event();
  Result<void> take_fds();
  void refuse_broken(LeaseId broken, Errno why);
  void handle(RequestId request, ClientRequest message);
  void note(const ClientReply& reply);
  void warn(const std::string& what);
  [[nodiscard]] std::string who() const;

  Service& service_;
  Backend& backend_;
  ClientLog& log_;
  const DaemonInfo& daemon_;
  const Peer peer_;
  const std::function<void(ClientConnection&)> on_end_;
  const ClientId id_;
  FdsInFlight fds_in_flight_;
  boost::asio::steady_timer hello_timer_;
  std::string name_;
  std::optional<SharedTable> table_;
  std::deque<Output> output_;
  Exports exports_;
  /// Leases that could not be sent and are to go back.
  std::vector<LeaseId> unsent_;
  /// One whose BO could not be exported.
  std::optional<LeaseId> broken_;
  /// To be sent when the output is empty.
  std::optional<Pressure> event_due_;
  /// To be sent when the peer has read the one before.
  std::optional<Pressure> event_kept_;
  /// The kinds of failure that were logged.
  std::bitset<16> logged_;
};

}  // namespace panbo
