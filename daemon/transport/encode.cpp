// Plain translation, one function a message.

#include "daemon/transport/encode.h"

#include <cstdlib>

#include "panbo.pb.h"
#include "proto/limits.h"

namespace panbo {
namespace {

/// Of a setting's value or origin: more than any path that can be opened has.
constexpr size_t kMaxTextBytes = 4200;
/// A packet has a list's next row until it has so many bytes of rows. A setting has two texts, and little else.
constexpr size_t kFullPacketBytes = limits::kMaxPacketBytes - 3 * kMaxTextBytes;

wire::Envelope answer(RequestId request) {
  wire::Envelope envelope;
  envelope.set_request_id(request.value);
  return envelope;
}

wire::Origin to_wire(Origin origin) {
  switch (origin) {
    case Origin::kFresh:
      return wire::ORIGIN_FRESH;
    case Origin::kCached:
      return wire::ORIGIN_CACHED;
    case Origin::kWaited:
      return wire::ORIGIN_WAITED;
  }
  std::abort();
}

wire::FailureCode to_wire(FailureKind kind) {
  switch (kind) {
    case FailureKind::kInvalidArgument:
      return wire::FAILURE_INVALID_ARGUMENT;
    case FailureKind::kTimedOut:
      return wire::FAILURE_TIMED_OUT;
    case FailureKind::kOutOfMemory:
      return wire::FAILURE_OUT_OF_MEMORY;
    case FailureKind::kOverQuota:
      return wire::FAILURE_OVER_QUOTA;
    case FailureKind::kNotPermitted:
      return wire::FAILURE_NOT_PERMITTED;
    case FailureKind::kUnknownLease:
      return wire::FAILURE_UNKNOWN_LEASE;
    case FailureKind::kProtocol:
      return wire::FAILURE_PROTOCOL;
    case FailureKind::kNotSupported:
      return wire::FAILURE_NOT_SUPPORTED;
    case FailureKind::kVersion:
      return wire::FAILURE_VERSION;
    case FailureKind::kDevice:
      return wire::FAILURE_DEVICE;
  }
  std::abort();
}

void to_wire(const Amount& amount, wire::Amount* out) {
  out->set_count(amount.count);
  out->set_bytes(amount.bytes);
}

std::string encode_stats(RequestId request, const DaemonInfo& daemon, const Stats& stats) {
  wire::Envelope envelope = answer(request);
  wire::Stats& out = *envelope.mutable_stats();
  out.set_daemon_version(daemon.version);
  out.set_backend(daemon.backend);
  out.set_driver(daemon.driver);
  out.set_node(daemon.node);
  to_wire(stats.leased, out.mutable_leased());
  to_wire(stats.local, out.mutable_local());
  to_wire(stats.taken, out.mutable_taken());
  to_wire(stats.draining, out.mutable_draining());
  to_wire(stats.held, out.mutable_held());
  to_wire(stats.ready, out.mutable_ready());
  out.set_requests(stats.requests);
  out.set_cached(stats.cached);
  out.set_fresh(stats.fresh);
  out.set_waited(stats.waited);
  out.set_failed(stats.failed);
  to_wire(stats.evicted, out.mutable_evicted());
  to_wire(stats.purged, out.mutable_purged());
  to_wire(stats.stock, out.mutable_stock());
  out.set_longest_turn_ns(static_cast<uint64_t>(stats.longest_turn.count()));
  return envelope.SerializeAsString();
}

/// `rows` in as many packets as they need, at least one. `mutable_list` makes the list in a packet, `add` adds a row to
/// it.
template <class List, class Row, class Message>
std::vector<std::string> encode_list(RequestId request, List* (wire::Envelope::*mutable_list)(),
                                     const std::vector<Row>& rows, Message& (*add)(List& list, const Row& row)) {
  std::vector<std::string> packets;
  auto next = rows.begin();
  do {
    wire::Envelope envelope = answer(request);
    List& list = *(envelope.*mutable_list)();
    for (size_t bytes = 0; next != rows.end() && bytes < kFullPacketBytes; ++next) {
      bytes += add(list, *next).ByteSizeLong();
    }
    list.set_more(next != rows.end());
    packets.push_back(envelope.SerializeAsString());
  } while (next != rows.end());
  return packets;
}

wire::Client& add_client(wire::Clients& clients, const ClientRow& row) {
  wire::Client& client = *clients.add_clients();
  client.set_id(row.id.value);
  client.set_name(row.name);
  client.set_uid(row.peer.uid);
  client.set_pid(row.peer.pid);
  to_wire(row.leased, client.mutable_leased());
  to_wire(row.local, client.mutable_local());
  to_wire(row.taken, client.mutable_taken());
  client.set_gone(row.gone);
  client.set_unread_fds(row.unread_fds);
  return client;
}

wire::Label& add_label(wire::Labels& labels, const LabelRow& row) {
  wire::Label& label = *labels.add_labels();
  label.set_client_id(row.client.value);
  label.set_client_name(row.client_name);
  label.set_label(row.label);
  to_wire(row.leased, label.mutable_leased());
  label.set_others(row.others);
  return label;
}

wire::Setting& add_setting(wire::Config& config, const SettingRow& row) {
  wire::Setting& setting = *config.add_settings();
  setting.set_key(row.key);
  setting.set_value(row.value.substr(0, kMaxTextBytes));
  setting.set_unit(row.unit);
  setting.set_origin(row.origin.substr(0, kMaxTextBytes));
  return setting;
}

}  // namespace

std::string encode(RequestId request, const DaemonInfo& daemon, const WelcomeReply& welcome) {
  wire::Envelope envelope = answer(request);
  wire::Welcome& out = *envelope.mutable_welcome();
  out.set_protocol_version(welcome.protocol_version);
  out.set_daemon_version(daemon.version);
  out.set_client_id(welcome.client.value);
  out.set_max_bo_size(welcome.max_bo_size);
  out.set_page_size(welcome.page_size);
  out.set_lease_table_words(welcome.lease_table_words);
  return envelope.SerializeAsString();
}

std::string encode(RequestId request, const GrantedReply& granted, std::span<const uint64_t> inodes) {
  // Used again, with the messages in it.
  thread_local wire::Envelope envelope;
  envelope.set_request_id(request.value);
  wire::Granted& out = *envelope.mutable_granted();
  out.clear_grants();
  for (size_t i = 0; i < granted.grants.size(); ++i) {
    const Grant& grant = granted.grants[i];
    wire::Grant& to = *out.add_grants();
    to.set_lease_id(grant.lease.value);
    to.set_size(grant.bo.size);
    to.set_inode(inodes[i]);
    to.set_origin(to_wire(grant.origin));
    to.set_slot(grant.slot);
    to.set_extra_of(grant.extra_of);
  }
  return envelope.SerializeAsString();
}

std::string encode(RequestId request, const FailureReply& failure) {
  wire::Envelope envelope = answer(request);
  envelope.mutable_failure()->set_code(to_wire(failure.kind));
  envelope.mutable_failure()->set_message(failure.message);
  return envelope.SerializeAsString();
}

std::string encode(RequestId request, const PressureEvent& event) {
  wire::Envelope envelope = answer(request);
  envelope.mutable_pressure_event()->set_level(event.pressure == Pressure::kFull ? wire::PRESSURE_LEVEL_FULL
                                                                                 : wire::PRESSURE_LEVEL_SOME);
  return envelope.SerializeAsString();
}

std::vector<std::string> encode(RequestId request, const DaemonInfo& daemon, const AdminReply& reply) {
  if (const auto* stats = std::get_if<Stats>(&reply)) return {encode_stats(request, daemon, *stats)};
  if (const auto* clients = std::get_if<ClientsReply>(&reply)) {
    return encode_list(request, &wire::Envelope::mutable_clients, clients->clients, add_client);
  }
  if (const auto* labels = std::get_if<LabelsReply>(&reply)) {
    return encode_list(request, &wire::Envelope::mutable_labels, labels->labels, add_label);
  }
  if (const auto* failure = std::get_if<FailureReply>(&reply)) return {encode(request, *failure)};
  wire::Envelope envelope = answer(request);
  const auto& evicted = std::get<EvictedReply>(reply);
  to_wire(evicted.evicted, envelope.mutable_evicted()->mutable_evicted());
  to_wire(evicted.asked_back, envelope.mutable_evicted()->mutable_asked_back());
  return {envelope.SerializeAsString()};
}

std::vector<std::string> encode(RequestId request, const std::vector<SettingRow>& settings) {
  return encode_list(request, &wire::Envelope::mutable_config, settings, add_setting);
}

std::string encode_simulated(RequestId request) {
  wire::Envelope envelope = answer(request);
  envelope.mutable_simulated();
  return envelope.SerializeAsString();
}

}  // namespace panbo
