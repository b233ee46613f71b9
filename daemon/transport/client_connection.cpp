// A grant becomes an fd only when it is sent: what waits in the output costs no fd, and an fd that cannot be sent is
// closed again at once.
//
// A client that does not read is disconnected after a while. If it is the daemon that cannot send, for want of fds or
// of memory, the client is told so, and the leases that it never got go back.

#include "daemon/transport/client_connection.h"

#include <spdlog/spdlog.h>

#include <boost/asio/post.hpp>
#include <boost/container/static_vector.hpp>
#include <tuple>
#include <utility>

namespace panbo {

ClientConnection::ClientConnection(const ClientContext& context, UniqueFd socket, const Peer& peer,
                                   std::function<void(ClientConnection&)> on_end)
    : Connection(context.io, std::move(socket), context.limits),
      service_(context.service),
      backend_(context.backend),
      log_(context.log),
      daemon_(context.daemon),
      peer_(peer),
      on_end_(std::move(on_end)),
      id_(service_.connect(peer, *this)),
      fds_in_flight_(this->socket(), service_.account(id_), context.fds_in_flight,
                     [this] {
                       if (!ended()) warn("does not read what others could use: disconnected");
                       end();
                     }),
      hello_timer_(context.io) {
}

ClientConnection::~ClientConnection() = default;

void ClientConnection::start() {
  hello_timer_.expires_after(limits().hello_timeout);
  hello_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = std::static_pointer_cast<ClientConnection>(weak.lock());
    if (error || self == nullptr || self->ended()) return;
    self->warn("has not said Hello: disconnected");
    self->end();
  });
  Connection::start();
}

void ClientConnection::on_packet(std::span<const std::byte> packet) {
  auto incoming = decode_client(packet);
  if (auto* refusal = std::get_if<Refusal>(&incoming.content)) {
    reply(incoming.request, std::move(refusal->failure));
    if (refusal->ends_connection) close();
    return;
  }
  auto& message = std::get<ClientRequest>(incoming.content);
  if (const auto* hello = std::get_if<HelloRequest>(&message); hello != nullptr && name_.empty()) name_ = hello->name;
  service_.handle(id_, incoming.request, std::move(message));
}

void ClientConnection::on_violation(const char* what) {
  warn(fmt::format("{}: disconnected", what));
}

void ClientConnection::on_end(UniqueFd socket) {
  hello_timer_.cancel();
  fds_in_flight_.end(std::move(socket));
  service_.disconnect(id_);
  on_end_(*this);
}

void ClientConnection::reply(RequestId request, ClientReply reply) {
  if (ended()) return;
  if (const auto* event = std::get_if<PressureEvent>(&reply)) {
    // It goes now or not at all: a client that asks for nothing has no reason to read, and every right to miss it.
    if (!has_output()) std::ignore = send(encode(request, *event));
    return;
  }
  note(reply);
  output_.push_back({request, std::move(reply)});
  flush();
}

void ClientConnection::note(const ClientReply& reply) {
  if (std::holds_alternative<WelcomeReply>(reply)) {
    hello_timer_.cancel();
    return;
  }
  const auto* failure = std::get_if<FailureReply>(&reply);
  if (failure == nullptr) return;
  switch (failure->kind) {
    case FailureKind::kTimedOut:
    case FailureKind::kOutOfMemory:
    case FailureKind::kOverQuota:
    case FailureKind::kDevice:
      // The service's record of the shortage says more.
      return;
    default:
      break;
  }
  const auto kind = static_cast<size_t>(failure->kind);
  if (logged_.test(kind)) return;
  logged_.set(kind);
  warn("was refused a request: " + failure->message);
}

Result<void> ClientConnection::send_front() {
  const Output& front = output_.front();
  Result<void> sent;
  if (const auto* granted = std::get_if<GrantedReply>(&front.reply)) {
    sent = send(front.request, *granted);
  } else if (const auto* welcome = std::get_if<WelcomeReply>(&front.reply)) {
    sent = send(front.request, *welcome);
  } else {
    sent = send(encode(front.request, std::get<FailureReply>(front.reply)));
  }
  if (sent) output_.pop_front();
  return sent;
}

std::span<LeaseWord> ClientConnection::make_lease_table() {
  auto made = SharedTable::make();
  if (!made) {
    warn("does without a lease table: " + made.error().message());
    return {};
  }
  return table_.emplace(*std::move(made)).words();
}

void ClientConnection::ring() {
  table_->ring();
}

Result<void> ClientConnection::send(RequestId request, const WelcomeReply& welcome) {
  const std::string packet = encode(request, daemon_, welcome);
  if (!table_) return send(packet);
  const auto fds = table_->fds();
  auto charge = fds_in_flight_.take(fds.size());
  if (!charge) return charge.error();
  if (const auto sent = send_packet(socket(), std::as_bytes(std::span(packet)), fds, MSG_DONTWAIT); !sent) {
    return sent.error();
  }
  fds_in_flight_.add(*std::move(charge));
  table_->sent();
  return {};
}

Result<void> ClientConnection::send(RequestId request, const GrantedReply& granted) {
  auto charge = fds_in_flight_.take(granted.grants.size());
  if (!charge) return charge.error();
  boost::container::static_vector<UniqueFd, limits::kMaxBatch> owned;
  boost::container::static_vector<int, limits::kMaxBatch> fds;
  boost::container::static_vector<uint64_t, limits::kMaxBatch> inodes;
  for (const Grant& grant : granted.grants) {
    auto exported = backend_.export_bo(grant.bo);
    if (!exported) return exported.error();
    if (grant.name) backend_.set_name(exported->fd.get(), *grant.name);
    fds.push_back(exported->fd.get());
    inodes.push_back(exported->inode);
    owned.push_back(std::move(exported->fd));
  }
  const std::string packet = encode(request, granted, inodes);
  if (const auto sent = send_packet(socket(), std::as_bytes(std::span(packet)), fds, MSG_DONTWAIT); !sent) {
    return sent.error();
  }
  fds_in_flight_.add(*std::move(charge));
  return {};
}

Result<void> ClientConnection::send(const std::string& packet) {
  return send_packet(socket(), std::as_bytes(std::span(packet)), {}, MSG_DONTWAIT);
}

void ClientConnection::give_up(Errno why) {
  Output& front = output_.front();
  auto* granted = std::get_if<GrantedReply>(&front.reply);
  const bool peer_reads = why != Errno{EAGAIN} && fds_in_flight_.all_read();
  if (granted == nullptr || !peer_reads) {
    warn("does not read: disconnected");
    end();
    return;
  }
  warn("cannot be sent what it was granted: " + why.message());
  ReleaseRequest unsent;
  for (const Grant& grant : granted->grants) unsent.leases.push_back(grant.lease);
  boost::asio::post(io(), [self = std::static_pointer_cast<ClientConnection>(shared_from_this()),
                           unsent = std::move(unsent)]() mutable {
    if (!self->ended()) self->service_.handle(self->id_, RequestId{}, std::move(unsent));
  });
  front.reply = FailureReply{FailureKind::kDevice, "the daemon cannot send file descriptors: " + why.message()};
}

void ClientConnection::warn(const std::string& what) {
  log_.warn(peer_.uid, who() + " " + what);
}

std::string ClientConnection::who() const {
  return describe_client(id_, name_, peer_);
}

}  // namespace panbo
