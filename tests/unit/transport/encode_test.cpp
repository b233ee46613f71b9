// What the daemon says, at its longest: no packet may be one that the other side refuses.

#include "daemon/transport/encode.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "panbo.pb.h"
#include "proto/limits.h"

namespace panbo {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
constexpr RequestId kRequest{kMax};

const DaemonInfo kDaemon{.version = "1.2.3", .backend = "sim", .driver = "sim 1.0", .node = "/dev/dri/renderD128"};

wire::Envelope parsed(const std::string& packet) {
  EXPECT_LE(packet.size(), limits::kMaxPacketBytes);
  wire::Envelope envelope;
  EXPECT_TRUE(envelope.ParseFromString(packet));
  EXPECT_EQ(envelope.request_id(), kRequest.value);
  return envelope;
}

std::vector<ClientRow> clients(size_t count) {
  std::vector<ClientRow> rows;
  for (size_t i = 0; i < count; ++i) {
    rows.push_back({.id = ClientId{kMax - i},
                    .name = std::string(limits::kMaxNameBytes, 'n'),
                    .peer = {.uid = std::numeric_limits<uint32_t>::max(), .pid = -1},
                    .leased = {.count = kMax, .bytes = kMax},
                    .local = {.count = kMax, .bytes = kMax},
                    .taken = {.count = kMax, .bytes = kMax}});
  }
  return rows;
}

std::vector<wire::Clients> encoded_clients(size_t count) {
  std::vector<wire::Clients> parts;
  for (const std::string& packet : encode(kRequest, kDaemon, AdminReply{ClientsReply{clients(count)}})) {
    const wire::Envelope envelope = parsed(packet);
    EXPECT_TRUE(envelope.has_clients());
    parts.push_back(envelope.clients());
  }
  return parts;
}

void expect_amount(const wire::Amount& amount, const Amount& expected) {
  EXPECT_EQ(amount.count(), expected.count);
  EXPECT_EQ(amount.bytes(), expected.bytes);
}

TEST(Encode, AWelcome) {
  const auto envelope = parsed(encode(kRequest, kDaemon,
                                      WelcomeReply{.protocol_version = 1,
                                                   .client = ClientId{kMax},
                                                   .max_bo_size = kMax - 1,
                                                   .page_size = 16384,
                                                   .lease_table_words = 4096}));
  EXPECT_EQ(envelope.welcome().protocol_version(), 1u);
  EXPECT_EQ(envelope.welcome().daemon_version(), "1.2.3");
  EXPECT_EQ(envelope.welcome().client_id(), kMax);
  EXPECT_EQ(envelope.welcome().max_bo_size(), kMax - 1);
  EXPECT_EQ(envelope.welcome().page_size(), 16384u);
  EXPECT_EQ(envelope.welcome().lease_table_words(), 4096u);
}

TEST(Encode, TheLargestGrant) {
  GrantedReply granted;
  std::vector<uint64_t> inodes;
  for (size_t i = 0; i < limits::kMaxBatch; ++i) {
    granted.grants.push_back({.lease = LeaseId{kMax - i},
                              .bo = {.size = kMax - 2 * i},
                              .origin = Origin::kWaited,
                              .slot = UINT32_MAX,
                              .extra_of = UINT32_MAX});
    inodes.push_back(kMax - 3 * i);
  }
  const auto envelope = parsed(encode(kRequest, granted, inodes));
  ASSERT_EQ(static_cast<size_t>(envelope.granted().grants_size()), limits::kMaxBatch);
  for (size_t i = 0; i < limits::kMaxBatch; ++i) {
    const wire::Grant& grant = envelope.granted().grants(static_cast<int>(i));
    EXPECT_EQ(grant.lease_id(), kMax - i);
    EXPECT_EQ(grant.size(), kMax - 2 * i);
    EXPECT_EQ(grant.inode(), kMax - 3 * i);
    EXPECT_EQ(grant.origin(), wire::ORIGIN_WAITED);
    EXPECT_EQ(grant.slot(), UINT32_MAX);
    EXPECT_EQ(grant.extra_of(), UINT32_MAX);
  }
}

TEST(Encode, EachOrigin) {
  const std::pair<Origin, wire::Origin> origins[] = {{Origin::kFresh, wire::ORIGIN_FRESH},
                                                     {Origin::kCached, wire::ORIGIN_CACHED},
                                                     {Origin::kWaited, wire::ORIGIN_WAITED}};
  for (const auto& [origin, expected] : origins) {
    const uint64_t inode = 1;
    const auto envelope = parsed(encode(kRequest, GrantedReply{{{.origin = origin}}}, std::span(&inode, 1)));
    EXPECT_EQ(envelope.granted().grants(0).origin(), expected);
  }
}

TEST(Encode, EachFailureHasItsCode) {
  const std::pair<FailureKind, wire::FailureCode> kinds[] = {
      {FailureKind::kInvalidArgument, wire::FAILURE_INVALID_ARGUMENT},
      {FailureKind::kTimedOut, wire::FAILURE_TIMED_OUT},
      {FailureKind::kOutOfMemory, wire::FAILURE_OUT_OF_MEMORY},
      {FailureKind::kOverQuota, wire::FAILURE_OVER_QUOTA},
      {FailureKind::kNotPermitted, wire::FAILURE_NOT_PERMITTED},
      {FailureKind::kUnknownLease, wire::FAILURE_UNKNOWN_LEASE},
      {FailureKind::kProtocol, wire::FAILURE_PROTOCOL},
      {FailureKind::kNotSupported, wire::FAILURE_NOT_SUPPORTED},
      {FailureKind::kVersion, wire::FAILURE_VERSION},
      {FailureKind::kDevice, wire::FAILURE_DEVICE}};
  for (const auto& [kind, code] : kinds) {
    const auto envelope = parsed(encode(kRequest, FailureReply{kind, "why"}));
    EXPECT_EQ(envelope.failure().code(), code);
    EXPECT_EQ(envelope.failure().message(), "why");
  }
}

TEST(Encode, EachPressure) {
  EXPECT_EQ(parsed(encode(kRequest, PressureEvent{Pressure::kSome})).pressure_event().level(),
            wire::PRESSURE_LEVEL_SOME);
  EXPECT_EQ(parsed(encode(kRequest, PressureEvent{Pressure::kFull})).pressure_event().level(),
            wire::PRESSURE_LEVEL_FULL);
}

TEST(Encode, TheLargestStats) {
  DaemonInfo daemon = kDaemon;
  daemon.node = "/" + std::string(4094, 'd');
  Stats stats;
  stats.leased = {kMax, kMax - 1};
  stats.draining = {kMax - 2, kMax - 3};
  stats.held = {kMax - 4, kMax - 5};
  stats.ready = {kMax - 6, kMax - 7};
  stats.requests = kMax - 8;
  stats.cached = kMax - 9;
  stats.fresh = kMax - 10;
  stats.waited = kMax - 11;
  stats.failed = kMax - 12;
  stats.evicted = {kMax - 13, kMax - 14};
  stats.purged = {kMax - 15, kMax - 16};
  stats.stock = {kMax - 17, kMax - 18};
  stats.taken = {kMax - 19, kMax - 20};
  stats.longest_turn = Duration::max();
  const auto packets = encode(kRequest, daemon, AdminReply{stats});
  ASSERT_EQ(packets.size(), 1u);
  const auto envelope = parsed(packets[0]);
  const wire::Stats& out = envelope.stats();
  EXPECT_EQ(out.daemon_version(), "1.2.3");
  EXPECT_EQ(out.backend(), "sim");
  EXPECT_EQ(out.driver(), "sim 1.0");
  EXPECT_EQ(out.node(), daemon.node);
  expect_amount(out.leased(), stats.leased);
  expect_amount(out.draining(), stats.draining);
  expect_amount(out.held(), stats.held);
  expect_amount(out.ready(), stats.ready);
  EXPECT_EQ(out.requests(), stats.requests);
  EXPECT_EQ(out.cached(), stats.cached);
  EXPECT_EQ(out.fresh(), stats.fresh);
  EXPECT_EQ(out.waited(), stats.waited);
  EXPECT_EQ(out.failed(), stats.failed);
  expect_amount(out.evicted(), stats.evicted);
  expect_amount(out.purged(), stats.purged);
  expect_amount(out.stock(), stats.stock);
  expect_amount(out.taken(), stats.taken);
  EXPECT_EQ(out.longest_turn_ns(), static_cast<uint64_t>(stats.longest_turn.count()));
}

TEST(Encode, AThousandClientsWithTheLongestNames) {
  constexpr size_t kCount = 1000;
  const auto parts = encoded_clients(kCount);
  ASSERT_GT(parts.size(), 1u);
  size_t seen = 0;
  for (const wire::Clients& part : parts) {
    EXPECT_EQ(part.more(), &part != &parts.back());
    for (const wire::Client& client : part.clients()) {
      EXPECT_EQ(client.id(), kMax - seen);
      EXPECT_EQ(client.name(), std::string(limits::kMaxNameBytes, 'n'));
      EXPECT_EQ(client.uid(), std::numeric_limits<uint32_t>::max());
      EXPECT_EQ(client.pid(), -1);
      expect_amount(client.leased(), {kMax, kMax});
      expect_amount(client.taken(), {kMax, kMax});
      ++seen;
    }
  }
  EXPECT_EQ(seen, kCount);
}

TEST(Encode, ClientsThatFillAPacketAreFollowedByNoEmptyOne) {
  const size_t per_packet = static_cast<size_t>(encoded_clients(1000)[0].clients_size());
  EXPECT_EQ(encoded_clients(per_packet).size(), 1u);
  const auto parts = encoded_clients(per_packet + 1);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[1].clients_size(), 1);
}

TEST(Encode, NoClientsAreAnAnswerAsWell) {
  const auto parts = encoded_clients(0);
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].clients_size(), 0);
  EXPECT_FALSE(parts[0].more());
}

TEST(Encode, AThousandLabelsOfTheLongest) {
  const std::string longest(limits::kMaxNameBytes, 'l');
  const LabelRow row{.client = ClientId{kMax},
                     .client_name = longest,
                     .label = longest,
                     .leased = {.count = kMax, .bytes = kMax - 1},
                     .others = kMax};
  const auto packets = encode(kRequest, kDaemon, AdminReply{LabelsReply{std::vector(1000, row)}});
  int seen = 0;
  for (const std::string& packet : packets) {
    const wire::Envelope envelope = parsed(packet);
    EXPECT_EQ(envelope.labels().more(), &packet != &packets.back());
    for (const wire::Label& label : envelope.labels().labels()) {
      EXPECT_EQ(label.client_id(), kMax);
      EXPECT_EQ(label.client_name(), longest);
      EXPECT_EQ(label.label(), longest);
      expect_amount(label.leased(), row.leased);
      EXPECT_EQ(label.others(), kMax);
      ++seen;
    }
  }
  EXPECT_EQ(seen, 1000);
}

TEST(Encode, OtherAnswersToAdministrators) {
  const auto evicted = encode(kRequest, kDaemon, AdminReply{EvictedReply{{kMax, kMax - 1}, {kMax - 2, kMax - 3}}});
  ASSERT_EQ(evicted.size(), 1u);
  expect_amount(parsed(evicted[0]).evicted().evicted(), {kMax, kMax - 1});
  expect_amount(parsed(evicted[0]).evicted().asked_back(), {kMax - 2, kMax - 3});
  const auto failed = encode(kRequest, kDaemon, AdminReply{FailureReply{FailureKind::kNotSupported, "why"}});
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(parsed(failed[0]).failure().code(), wire::FAILURE_NOT_SUPPORTED);
  EXPECT_TRUE(parsed(encode_simulated(kRequest)).has_simulated());
}

}  // namespace
}  // namespace panbo
