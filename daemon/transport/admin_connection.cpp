// Who may connect to the admin socket at all is decided by its mode and group; here everybody may do everything.

#include "daemon/transport/admin_connection.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "daemon/transport/simulate.h"

namespace panbo {
namespace {

// Of each packet of an answer, which has some hundred rows.
constexpr Price kAnswerPrice = 500;
// Of the eviction of one BO.
constexpr Price kEvictionPrice = 4;

/// What the message has evicted, or std::nullopt if it is another one.
std::optional<EvictRequest> eviction_of(const AdminMessage& message) {
  const auto* asked = std::get_if<AdminRequest>(&message);
  const auto* what = asked == nullptr ? nullptr : std::get_if<EvictRequest>(asked);
  return what == nullptr ? std::nullopt : std::optional(*what);
}

}  // namespace

AdminConnection::AdminConnection(const AdminContext& context, UniqueFd socket, const Peer& peer,
                                 std::function<void(AdminConnection&)> on_end)
    : Connection({.io = context.io, .turns = context.service.turns(), .payer = UserId{peer.uid}}, std::move(socket),
                 context.limits),
      service_(context.service),
      fds_in_flight_(context.fds_in_flight),
      sim_(context.sim),
      daemon_(context.daemon),
      settings_(context.settings),
      on_end_(std::move(on_end)) {
}

void AdminConnection::on_packet(std::span<const std::byte> packet) {
  const auto incoming = decode_admin(packet);
  const RequestId request = incoming.request;
  if (const auto* refusal = std::get_if<Refusal>(&incoming.content)) {
    spdlog::warn("an administrator was refused a request: {}", refusal->failure.message);
    output_.push_back(encode(request, refusal->failure));
    if (refusal->ends_connection) {
      end_when_sent();
      return;
    }
  } else if (auto what = eviction_of(std::get<AdminMessage>(incoming.content))) {
    eviction_.emplace(Eviction{request, *what, {}});
    work_off();
  } else {
    for (std::string& out : answer(request, std::get<AdminMessage>(incoming.content)))
      output_.push_back(std::move(out));
    pay(static_cast<Price>(output_.size()) * kAnswerPrice);
  }
  if (output_.size() == 1) flush();
}

std::vector<std::string> AdminConnection::answer(RequestId request, const AdminMessage& message) {
  if (const auto* simulation = std::get_if<wire::Simulate>(&message)) {
    const auto failure = simulate(sim_, *simulation);
    return {failure ? encode(request, *failure) : encode_simulated(request)};
  }
  if (std::holds_alternative<ConfigRequest>(message)) return encode(request, settings_);
  AdminReply reply = service_.handle_admin(std::get<AdminRequest>(message));
  if (auto* clients = std::get_if<ClientsReply>(&reply)) {
    for (ClientRow& row : fds_in_flight_.left_behind()) clients->clients.push_back(std::move(row));
  }
  return encode(request, daemon_, reply);
}

void AdminConnection::work_off() {
  auto& [request, what, done] = *eviction_;
  const auto piece = std::get<EvictedReply>(service_.handle_admin(what));
  pay(kEvictionPrice * static_cast<Price>(1 + piece.evicted.count));
  done += piece;
  if (auto* some = std::get_if<EvictBytes>(&what)) some->bytes -= std::min(some->bytes, piece.evicted.bytes);
  if (piece.more) return;
  for (std::string& out : encode(request, daemon_, AdminReply(done))) output_.push_back(std::move(out));
  eviction_.reset();
  send_later();
}

void AdminConnection::on_violation(const char* what) {
  spdlog::warn("an administrator {}: disconnected", what);
}

Result<void> AdminConnection::send_front() {
  const auto sent = send_packet(socket(), std::as_bytes(std::span(output_.front())), {}, MSG_DONTWAIT);
  if (sent) output_.pop_front();
  return sent;
}

}  // namespace panbo
