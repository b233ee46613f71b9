// A user who connects more often than allowed is turned away at the door: the connection is told why and closed, which
// costs that user's other clients nothing, and other users nothing either.

#include "daemon/transport/transport.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace panbo {
namespace {

// A session, and a place in the event loop: some 20 us.
constexpr Price kSetUpPrice = 200;
// Looking at a few sockets.
constexpr Price kLeftBehindPrice = 50;

}  // namespace

Transport::Transport(boost::asio::io_context& io, Service& service, Backend& backend, SimControl* sim,
                     TransportOptions options)
    : io_(io),
      options_(std::move(options)),
      fds_in_flight_(std::make_shared<FdsInFlightRegistry>(options_.connection.stall_limit / 2)),
      client_context_{.io = io_,
                      .service = service,
                      .backend = backend,
                      .fds_in_flight = fds_in_flight_,
                      .log = log_,
                      .daemon = options_.daemon,
                      .limits = options_.connection},
      admin_context_{.io = io_,
                     .service = service,
                     .fds_in_flight = *fds_in_flight_,
                     .sim = sim,
                     .daemon = options_.daemon,
                     .settings = options_.settings,
                     .limits = options_.connection},
      left_behind_(io_, service.turns(), fds_in_flight_->event_fd(), [this]() -> Turns::Work::Piece {
        return {.price = kLeftBehindPrice, .more = fds_in_flight_->take_events()};
      }) {
}

void Transport::serve_clients(UniqueFd socket) {
  client_listener_.emplace(
      io_, client_context_.service.turns(), std::move(socket),
      [this](UniqueFd connection, const Peer& peer) { accept_client(std::move(connection), peer); });
}

void Transport::serve_administrators(UniqueFd socket) {
  admin_listener_.emplace(
      io_, client_context_.service.turns(), std::move(socket),
      [this](UniqueFd connection, const Peer& peer) { accept_administrator(std::move(connection), peer); });
}

void Transport::accept_client(UniqueFd socket, const Peer& peer) {
  if (const std::string why = refusal_of(peer.uid); !why.empty()) {
    const auto user = users_.find(peer.uid);
    if (user == users_.end() || !std::exchange(user->second.full, true)) log_.warn(peer.uid, why);
    const std::string packet = encode(RequestId{}, FailureReply{FailureKind::kOverQuota, why});
    static_cast<void>(send_packet(socket.get(), std::as_bytes(std::span(packet)), {}, MSG_DONTWAIT));
    return;
  }
  ++users_[peer.uid].clients;
  ++clients_count_;
  auto newcomer = std::make_unique<Newcomer>(*this, std::move(socket), peer);
  client_context_.service.turns().add(UserId{peer.uid}, *newcomer);
  newcomers_.emplace(newcomer.get(), std::move(newcomer));
}

std::string Transport::refusal_of(uint32_t uid) const {
  const auto user = users_.find(uid);
  const size_t has = user == users_.end() ? 0 : user->second.clients;
  if (has >= options_.clients_per_user) {
    return fmt::format("uid {} has {} clients connected, and may have no more", uid, has);
  }
  const size_t last_share = options_.clients / 8;
  const size_t users = users_.size() + (user == users_.end() ? 1 : 0);
  if (clients_count_ >= options_.clients ||
      (clients_count_ >= options_.clients - last_share && has >= std::max<size_t>(last_share / users, 1))) {
    return fmt::format("{} clients are connected, and uid {} with {} of them may have no more", clients_count_, uid,
                       has);
  }
  if (!fds_in_flight_->has_room_for_client(UserId{uid})) {
    return fmt::format(
        "uid {} has left so many file descriptors unread in connections that are over that there is none "
        "for one more client: whoever has these sockets must close them",
        uid);
  }
  return {};
}

Turns::Work::Piece Transport::Newcomer::do_piece(Time) {
  transport_.set_up(std::move(socket_), peer_);
  transport_.newcomers_.erase(this);
  return {.price = kSetUpPrice, .more = false};
}

void Transport::set_up(UniqueFd socket, const Peer& peer) {
  try {
    auto client = std::make_shared<ClientConnection>(client_context_, std::move(socket), peer,
                                                     [this](ClientConnection& ended) { end_client(ended); });
    clients_.emplace(client.get(), client);
    client->start();
  } catch (const boost::system::system_error& error) {
    log_.warn(peer.uid, fmt::format("a client of uid {} cannot be served: {}", peer.uid, error.what()));
    leave(peer.uid);
  }
}

void Transport::end_client(ClientConnection& client) {
  leave(client.peer().uid);
  clients_.erase(&client);
}

void Transport::leave(uint32_t uid) {
  const auto user = users_.find(uid);
  --clients_count_;
  user->second.full = false;
  if (--user->second.clients == 0) users_.erase(user);
}

void Transport::accept_administrator(UniqueFd socket, const Peer& peer) {
  if (administrators_.size() >= options_.administrators) {
    spdlog::warn("{} administrators are connected, and there may be no more", administrators_.size());
    return;
  }
  try {
    auto administrator = std::make_shared<AdminConnection>(
        admin_context_, std::move(socket), peer, [this](AdminConnection& ended) { administrators_.erase(&ended); });
    administrators_.emplace(administrator.get(), administrator);
    administrator->start();
  } catch (const boost::system::system_error& error) {
    spdlog::error("an administrator cannot be served: {}", error.what());
  }
}

}  // namespace panbo
