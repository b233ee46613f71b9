// A grant becomes fds only when it is sent: what waits in the output costs no fd, and fds that cannot be sent are
// closed again at once. A small answer is sent in the piece that handles its request. A larger grant is exported a few
// BOs at a time, in pieces of their own, and so is whatever is answered in somebody else's turn.
//
// A pressure event is sent to a client that has read everything, so there is never more than one that it has not read.
// What happens meanwhile is remembered, the gravest of it, and told when the client has read and asks for something.
//
// A client that does not read is disconnected after a while. If it is the daemon that cannot send, for want of fds or
// of memory, the client is told so, and the leases that it never got go back.

#include "daemon/transport/client_connection.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "daemon/transport/fd_reserve.h"

namespace panbo {
namespace {

/// BOs that one piece exports.
constexpr size_t kExportsAtOnce = 8;
/// Making the fd, asking for its inode, closing it.
constexpr Price kExportPrice = 3 * kDeviceCall;
/// Making a lease table is some 20 us.
constexpr Price kTablePrice = 200;
/// Asking how much of a socket is unread.
constexpr Price kLookPrice = 3;

/// Errors of export_bo() that say nothing of the BO.
bool is_shortage(Errno error) {
  switch (error.value) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case ETOOMANYREFS:
    case EINTR:
    case EAGAIN:
      return true;
    default:
      return false;
  }
}

}  // namespace

ClientConnection::ClientConnection(const ClientContext& context, UniqueFd socket, const Peer& peer,
                                   std::function<void(ClientConnection&)> on_end)
    : Connection({.io = context.io, .turns = context.service.turns(), .payer = UserId{peer.uid}}, std::move(socket),
                 context.limits),
      service_(context.service),
      backend_(context.backend),
      log_(context.log),
      daemon_(context.daemon),
      peer_(peer),
      on_end_(std::move(on_end)),
      id_(service_.connect(peer, *this)),
      fds_in_flight_(this->socket(), id_, peer, service_.account(id_), context.fds_in_flight,
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
  // Whoever asks has most likely read what came before, and will read the answer.
  if (event_kept_) {
    event_due_ = std::exchange(event_kept_, std::nullopt);
    static_cast<void>(send_event());
  }
  auto incoming = decode_client(packet);
  if (auto* refusal = std::get_if<Refusal>(&incoming.content)) {
    reply(incoming.request, std::move(refusal->failure));
    if (refusal->ends_connection) close();
    return;
  }
  auto& message = std::get<ClientRequest>(incoming.content);
  if (const auto* hello = std::get_if<HelloRequest>(&message); hello != nullptr && name_.empty()) name_ = hello->name;
  handle(incoming.request, std::move(message));
}

void ClientConnection::handle(RequestId request, ClientRequest message) {
  pay(service_.handle(id_, request, std::move(message)));
}

bool ClientConnection::has_backlog() const {
  return !unsent_.empty() || broken_ || service_.has_backlog(id_);
}

void ClientConnection::work_off() {
  if (service_.has_backlog(id_)) {
    pay(service_.work_off(id_).price);
  } else if (broken_) {
    // Its BO is not lent again.
    handle(RequestId{}, ReleaseRequest{.leases = {*std::exchange(broken_, std::nullopt)}, .shared = true});
  } else {
    handle(RequestId{}, ReleaseRequest{std::exchange(unsent_, {})});
  }
}

void ClientConnection::on_violation(const char* what) {
  warn(fmt::format("{}: disconnected", what));
}

void ClientConnection::on_end(UniqueFd socket) {
  hello_timer_.cancel();
  fds_in_flight_.end(std::move(socket), name_);
  service_.disconnect(id_);
  on_end_(*this);
}

void ClientConnection::reply(RequestId request, ClientReply reply) {
  if (ended()) return;
  if (const auto* event = std::get_if<PressureEvent>(&reply)) {
    event_due_ = std::max(event->pressure, event_due_.value_or(event->pressure));
    send_later();
    return;
  }
  note(reply);
  const auto* granted = std::get_if<GrantedReply>(&reply);
  const bool is_small = granted == nullptr || granted->grants.size() <= kExportsAtOnce;
  const bool at_once = in_own_piece() && output_.empty() && is_small;
  output_.push_back({request, std::move(reply)});
  if (at_once) {
    flush();
  } else {
    send_later();
  }
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

Result<bool> ClientConnection::prepare_front() {
  if (output_.empty()) return true;
  const auto* granted = std::get_if<GrantedReply>(&output_.front().reply);
  if (granted == nullptr) return true;
  const std::vector<Grant>& grants = granted->grants;
  if (exports_.fds.empty()) {
    if (const auto taken = take_fds(); !taken) return taken.error();
  }
  const size_t end = std::min(grants.size(), exports_.fds.size() + kExportsAtOnce);
  while (exports_.fds.size() < end) {
    const Grant& grant = grants[exports_.fds.size()];
    pay(kExportPrice);
    auto exported = backend_.export_bo(grant.bo);
    if (!exported) {
      exports_ = {};
      if (is_shortage(exported.error())) return exported.error();
      refuse_broken(grant.lease, exported.error());
      return true;
    }
    if (grant.name) backend_.set_name(exported->fd.get(), *grant.name);
    exports_.inodes.push_back(exported->inode);
    exports_.fds.push_back(std::move(exported->fd));
  }
  return exports_.fds.size() == grants.size();
}

// Room for the fds of the first answer. What it brings in addition is left out if that does not fit.
Result<void> ClientConnection::take_fds() {
  auto& grants = std::get<GrantedReply>(output_.front().reply).grants;
  Price price = 0;
  auto charge = fds_in_flight_.take(grants.size(), price);
  const auto extra = std::find_if(grants.begin(), grants.end(), [](const Grant& grant) { return grant.extra_of != 0; });
  if (!charge && extra != grants.end()) {
    for (auto grant = extra; grant != grants.end(); ++grant) unsent_.push_back(grant->lease);
    grants.erase(extra, grants.end());
    charge = fds_in_flight_.take(grants.size(), price);
  }
  pay(price);
  if (!charge) return charge.error();
  exports_.charge = *std::move(charge);
  return {};
}

// A failing device call costs the BO, and the request that it was for.
void ClientConnection::refuse_broken(LeaseId broken, Errno why) {
  Output& front = output_.front();
  for (const Grant& grant : std::get<GrantedReply>(front.reply).grants) {
    if (grant.lease != broken) unsent_.push_back(grant.lease);
  }
  broken_ = broken;
  warn("cannot be sent a BO that the device does not export: " + why.message());
  front.reply = FailureReply{FailureKind::kDevice, "the device failed to export a BO: " + why.message()};
}

Result<void> ClientConnection::send_front() {
  if (output_.empty()) return send_event();
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

// It is told now or remembered: it never waits in the output, where it would keep requests from being read.
Result<void> ClientConnection::send_event() {
  const Pressure pressure = *std::exchange(event_due_, std::nullopt);
  pay(kLookPrice);
  const auto read = peer_has_read_all(socket());
  if (!read || !*read || !send(encode(RequestId{}, PressureEvent{pressure}))) {
    event_kept_ = std::max(pressure, event_kept_.value_or(pressure));
  }
  return {};
}

std::span<LeaseWord> ClientConnection::make_lease_table() {
  pay(kTablePrice);
  auto made = only_reserved_fds_are_left(socket()) ? Result<SharedTable>(Errno{EMFILE}) : SharedTable::make();
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
  Price price = 0;
  auto charge = fds_in_flight_.take(fds.size(), price);
  pay(price);
  if (!charge) return charge.error();
  if (const auto sent = send_packet(socket(), std::as_bytes(std::span(packet)), fds, MSG_DONTWAIT); !sent) {
    return sent.error();
  }
  fds_in_flight_.add(*std::move(charge), fds.size());
  table_->sent();
  return {};
}

Result<void> ClientConnection::send(RequestId request, const GrantedReply& granted) {
  boost::container::static_vector<int, limits::kMaxBatch> fds;
  for (const UniqueFd& fd : exports_.fds) fds.push_back(fd.get());
  const std::string packet = encode(request, granted, exports_.inodes);
  Exports exports = std::exchange(exports_, {});
  const auto sent = send_packet(socket(), std::as_bytes(std::span(packet)), fds, MSG_DONTWAIT);
  if (sent) fds_in_flight_.add(std::move(exports.charge), fds.size());
  return sent;
}

Result<void> ClientConnection::send(const std::string& packet) {
  // What is unread afterwards may be this packet alone, and no fd.
  static_cast<void>(fds_in_flight_.all_read());
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
  for (const Grant& grant : granted->grants) unsent_.push_back(grant.lease);
  front.reply = FailureReply{FailureKind::kDevice, "the daemon cannot send file descriptors: " + why.message()};
}

void ClientConnection::warn(const std::string& what) {
  log_.warn(peer_.uid, who() + " " + what);
}

std::string ClientConnection::who() const {
  return describe_client(id_, name_, peer_);
}

}  // namespace panbo
