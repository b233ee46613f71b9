// Administrators of a whole service with a simulated device.

#include "daemon/transport/admin_connection.h"

#include <gtest/gtest.h>

#include <map>

#include "proto/limits.h"
#include "tests/support/event_loop.h"
#include "tests/support/fds.h"
#include "tests/support/log_capture.h"
#include "tests/unit/transport/service_rig.h"
#include "tests/unit/transport/test_peer.h"

namespace panbo::test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

/// A client that only connects.
class SilentClient : public ClientPort {
 public:
  void reply(RequestId, ClientReply) override {}
  void close() override {}
  std::span<LeaseWord> make_lease_table() override { return {}; }
  void ring() override {}
};

class AdminConnectionTest : public testing::Test {
 protected:
  TestPeer connect(bool tiny = false) {
    auto [ours, theirs] = socket_pair(tiny);
    const AdminContext context{.io = rig_.io,
                               .service = rig_.service,
                               .fds_in_flight = *registry_,
                               .sim = sim_,
                               .daemon = daemon_,
                               .settings = settings_,
                               .limits = limits_};
    auto administrator = std::make_shared<AdminConnection>(context, std::move(ours), Peer{},
                                                           [this](AdminConnection& c) { administrators_.erase(&c); });
    administrator->start();
    administrators_.emplace(administrator.get(), administrator);
    return TestPeer(std::move(theirs));
  }
  wire::Envelope next(TestPeer& peer) {
    std::optional<TestPeer::Packet> packet;
    EXPECT_TRUE(run_until(rig_.io, rig_.service.turns(), [&] { return (packet = peer.receive()).has_value(); }));
    return packet ? packet->message : wire::Envelope{};
  }
  wire::Envelope ask(TestPeer& peer, const wire::Envelope& request) {
    EXPECT_TRUE(peer.send(request));
    wire::Envelope answer = next(peer);
    EXPECT_EQ(answer.request_id(), request.request_id());
    return answer;
  }
  bool run_until_ended() {
    return run_until(rig_.io, rig_.service.turns(), [this] { return administrators_.empty(); });
  }
  static wire::Envelope get_clients() {
    wire::Envelope request;
    request.set_request_id(3);
    request.mutable_get_clients();
    return request;
  }
  wire::Envelope simulate(TestPeer& peer, const wire::Simulate& what) {
    wire::Envelope request;
    request.set_request_id(4);
    *request.mutable_simulate() = what;
    return ask(peer, request);
  }

  LogCapture log_;
  ConnectionLimits limits_{.stall_limit = hours(1)};
  std::vector<SettingRow> settings_;
  const DaemonInfo daemon_{.version = "1.2.3", .backend = "sim", .driver = "sim", .node = ""};
  const std::shared_ptr<FdsInFlightRegistry> registry_ = std::make_shared<FdsInFlightRegistry>(hours(1));
  ServiceRig rig_;
  SimControl* sim_ = rig_.sim.get();
  std::map<AdminConnection*, std::shared_ptr<AdminConnection>> administrators_;
};

TEST_F(AdminConnectionTest, StatsAreAnsweredWithoutHello) {
  TestPeer peer = connect();
  wire::Envelope request;
  request.set_request_id(9);
  request.mutable_get_stats();
  const auto answer = ask(peer, request);
  ASSERT_TRUE(answer.has_stats());
  EXPECT_EQ(answer.stats().daemon_version(), "1.2.3");
  EXPECT_EQ(answer.stats().backend(), "sim");
}

TEST_F(AdminConnectionTest, EvictionIsAnswered) {
  TestPeer peer = connect();
  wire::Envelope request;
  request.mutable_evict()->set_all(true);
  EXPECT_TRUE(ask(peer, request).has_evicted());
}

TEST_F(AdminConnectionTest, ManyClientsComeInSeveralPackets) {
  std::vector<std::unique_ptr<SilentClient>> clients;
  for (int i = 0; i < 1000; ++i) {
    rig_.service.connect({.uid = 1000, .pid = i}, *clients.emplace_back(std::make_unique<SilentClient>()));
  }
  TestPeer peer = connect();
  wire::Envelope answer = ask(peer, get_clients());
  int seen = answer.clients().clients_size();
  int packets = 1;
  for (; answer.clients().more(); ++packets) {
    answer = next(peer);
    EXPECT_EQ(answer.request_id(), 3u);
    seen += answer.clients().clients_size();
  }
  EXPECT_EQ(seen, 1000);
  EXPECT_GT(packets, 1);
}

TEST_F(AdminConnectionTest, AClientsRequestIsNotPermittedAndTheConnectionGoesOn) {
  TestPeer peer = connect();
  EXPECT_EQ(ask(peer, hello(2)).failure().code(), wire::FAILURE_NOT_PERMITTED);
  EXPECT_EQ(ask(peer, alloc(3, {4096})).failure().code(), wire::FAILURE_NOT_PERMITTED);
  EXPECT_TRUE(ask(peer, get_clients()).has_clients());
}

TEST_F(AdminConnectionTest, AMalformedPacketEndsTheConnectionWithAnAnswer) {
  TestPeer peer = connect();
  ASSERT_TRUE(peer.send_raw("\xff\xff"));
  EXPECT_EQ(next(peer).failure().code(), wire::FAILURE_PROTOCOL);
  ASSERT_TRUE(run_until_ended());
  EXPECT_TRUE(peer.at_end());
}

TEST_F(AdminConnectionTest, FdsAreClosedAndEndTheConnection) {
  TestPeer peer = connect();
  const int before = open_fds();
  ASSERT_TRUE(peer.send_raw(get_clients().SerializeAsString(), std::vector{peer.socket()}));
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(open_fds(), before - 1) << "the connection's";
}

TEST_F(AdminConnectionTest, WhoDoesNotReadIsNotReadFromAndThenDisconnected) {
  limits_.stall_limit = milliseconds(20);
  TestPeer peer = connect(true);
  while (peer.send(get_clients())) run_what_is_ready(rig_.io, rig_.service.turns());
  ASSERT_TRUE(run_until_ended());
}

TEST_F(AdminConnectionTest, OnlyTheSimulatedDeviceCanSimulate) {
  sim_ = nullptr;
  TestPeer peer = connect();
  wire::Simulate what;
  what.set_purge(true);
  EXPECT_EQ(simulate(peer, what).failure().code(), wire::FAILURE_NOT_SUPPORTED);
}

TEST_F(AdminConnectionTest, SimulatesFaults) {
  TestPeer peer = connect();
  wire::Simulate what;
  what.mutable_fault()->set_call("create");
  what.mutable_fault()->set_error(ENOMEM);
  what.mutable_fault()->set_times(1);
  EXPECT_TRUE(simulate(peer, what).has_simulated());
  EXPECT_EQ(rig_.sim->create(ArenaId{0}, BoKind::kPlain, 4096).error(), Errno{ENOMEM});
  EXPECT_TRUE(rig_.sim->create(ArenaId{0}, BoKind::kPlain, 4096));
}

TEST_F(AdminConnectionTest, SimulatesAMemoryLimit) {
  TestPeer peer = connect();
  wire::Simulate what;
  what.set_memory_limit(8192);
  EXPECT_TRUE(simulate(peer, what).has_simulated());
  EXPECT_EQ(rig_.sim->create(ArenaId{0}, BoKind::kPlain, 12288).error(), Errno{ENOMEM});
}

TEST_F(AdminConnectionTest, SimulatesJobsOfEveryLength) {
  TestPeer peer = connect();
  const auto bo = rig_.sim->create(ArenaId{0}, BoKind::kPlain, 4096);
  const uint64_t inode = rig_.sim->export_bo(*bo)->inode;
  wire::Simulate start, end;
  start.mutable_job()->set_inode(inode);
  end.mutable_job()->set_inode(inode);
  end.mutable_job()->set_end(true);
  for (const uint64_t ns : {uint64_t{0}, static_cast<uint64_t>(INT64_MAX), UINT64_MAX - 1, UINT64_MAX}) {
    start.mutable_job()->set_duration_ns(ns);
    EXPECT_TRUE(simulate(peer, start).has_simulated());
    EXPECT_EQ(*rig_.sim->watch(BoId{1}, *bo), Usage::kBusy) << ns;
    rig_.sim->unwatch(BoId{1});
    EXPECT_TRUE(simulate(peer, end).has_simulated());
    EXPECT_EQ(*rig_.sim->watch(BoId{1}, *bo), Usage::kIdle);
    rig_.sim->unwatch(BoId{1});
  }
}

TEST_F(AdminConnectionTest, SimulatesAPurge) {
  TestPeer peer = connect();
  const auto bo = rig_.sim->create(ArenaId{0}, BoKind::kPlain, 4096);
  ASSERT_EQ(*rig_.sim->make_evictable(*bo), Holders::kOnlyUs);
  wire::Simulate what;
  what.set_purge(true);
  EXPECT_TRUE(simulate(peer, what).has_simulated());
  EXPECT_EQ(*rig_.sim->make_unevictable(*bo), Pages::kPurged);
}

TEST_F(AdminConnectionTest, WhatCannotBeSimulatedIsRefused) {
  TestPeer peer = connect();
  wire::Simulate nothing, unknown_bo, unknown_call, no_error, negative_error, no_purge;
  unknown_bo.mutable_job()->set_inode(UINT64_MAX);
  unknown_call.mutable_fault()->set_call("open");
  unknown_call.mutable_fault()->set_error(ENOMEM);
  no_error.mutable_fault()->set_call("create");
  negative_error.mutable_fault()->set_call("create");
  negative_error.mutable_fault()->set_error(-ENOMEM);
  no_purge.set_purge(false);
  for (const wire::Simulate& what : {nothing, unknown_bo, unknown_call, no_error, negative_error, no_purge}) {
    const auto failure = simulate(peer, what).failure();
    EXPECT_EQ(failure.code(), wire::FAILURE_INVALID_ARGUMENT);
    EXPECT_NE(failure.message(), "");
  }
}

TEST_F(AdminConnectionTest, ShowsSettingsInAsManyPacketsAsTheyNeed) {
  settings_.push_back({.key = "cache.max", .value = "4096", .unit = "bytes", .origin = "/etc/x.toml:3"});
  for (int i = 0; i < 10; ++i)
    settings_.push_back({.key = "path", .value = std::string(4000, 'v'), .origin = std::string(9000, 'o')});
  TestPeer peer = connect();
  wire::Envelope request;
  request.set_request_id(5);
  request.mutable_get_config();
  wire::Envelope answer = ask(peer, request);
  const wire::Setting first = answer.config().settings(0);
  EXPECT_EQ(first.key(), "cache.max");
  EXPECT_EQ(first.value(), "4096");
  EXPECT_EQ(first.unit(), "bytes");
  EXPECT_EQ(first.origin(), "/etc/x.toml:3");
  int rows = answer.config().settings_size();
  while (answer.config().more()) {
    answer = next(peer);
    EXPECT_EQ(answer.request_id(), 5u);
    EXPECT_LE(answer.ByteSizeLong(), limits::kMaxPacketBytes);
    rows += answer.config().settings_size();
  }
  EXPECT_EQ(rows, 11);
}

TEST_F(AdminConnectionTest, WithoutSettingsThereIsOneEmptyAnswer) {
  TestPeer peer = connect();
  wire::Envelope request;
  request.mutable_get_config();
  const wire::Envelope answer = ask(peer, request);
  EXPECT_TRUE(answer.has_config());
  EXPECT_EQ(answer.config().settings_size(), 0);
  EXPECT_FALSE(answer.config().more());
}

}  // namespace
}  // namespace panbo::test
