// The daemon's sockets: the clients' and the administrators', and every connection of them.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "daemon/transport/admin_connection.h"
#include "daemon/transport/client_connection.h"
#include "daemon/transport/fd_work.h"
#include "daemon/transport/fds_in_flight.h"
#include "daemon/transport/listener.h"

namespace panbo {

struct TransportOptions {
  DaemonInfo daemon;
  /// For administrators who ask.
  std::vector<SettingRow> settings;
  ConnectionLimits connection;
  /// Clients that one user may have connected at a time.
  size_t clients_per_user = 256;
  /// Clients that all users together may have connected at a time. The last eighth is for users who have no more than
  /// an equal part of it.
  size_t clients = 4096;
  /// Connections to the admin socket at a time.
  size_t administrators = 32;
};

class Transport {
 public:
  /// All must outlive the transport. `sim` is null unless the device is the simulated one.
  Transport(boost::asio::io_context& io, Service& service, Backend& backend, SimControl* sim, TransportOptions options);
  /// The event loop must not run afterwards.
  ~Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  /// The sockets listen and do not block. Throws boost::system::system_error if one cannot be waited for.
  void serve_clients(UniqueFd socket);
  void serve_administrators(UniqueFd socket);

  /// For warnings about clients that come from elsewhere: a user has so many lines in all.
  [[nodiscard]] ClientLog& client_log() { return log_; }

 private:
  /// A client that was accepted, and waits for its user's turn to be set up.
  class Newcomer : public Turns::Work {
   public:
    Newcomer(Transport& transport, UniqueFd socket, const Peer& peer)
        : transport_(transport), socket_(std::move(socket)), peer_(peer) {}
    Piece do_piece(Time now) override;

   private:
    Transport& transport_;
    UniqueFd socket_;
    const Peer peer_;
  };

  void accept_client(UniqueFd socket, const Peer& peer);
  void set_up(UniqueFd socket, const Peer& peer);
  void accept_administrator(UniqueFd socket, const Peer& peer);
  void end_client(ClientConnection& client);
  void leave(uint32_t uid);
  /// Why a client of that user is turned away; empty: it is not.
  [[nodiscard]] std::string refusal_of(uint32_t uid) const;

  /// Connections of one user, as long as there are any.
  struct User {
    size_t clients = 0;
    /// One was turned away since there was room last.
    bool full = false;
  };

  boost::asio::io_context& io_;
  const TransportOptions options_;
  ClientLog log_;
  const std::shared_ptr<FdsInFlightRegistry> fds_in_flight_;
  const ClientContext client_context_;
  const AdminContext admin_context_;
  /// Those who have clients.
  std::unordered_map<uint32_t, User> users_;
  /// Of all users together.
  size_t clients_count_ = 0;
  std::unordered_map<Newcomer*, std::unique_ptr<Newcomer>> newcomers_;
  std::unordered_map<ClientConnection*, std::shared_ptr<ClientConnection>> clients_;
  std::unordered_map<AdminConnection*, std::shared_ptr<AdminConnection>> administrators_;
  FdWork left_behind_;
  std::optional<Listener> client_listener_;
  std::optional<Listener> admin_listener_;
};

}  // namespace panbo
