// Clients of a whole service with a simulated device: real sockets and fds, one thread.

#include "daemon/transport/client_connection.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <map>

#include "tests/support/event_loop.h"
#include "tests/support/fds.h"
#include "tests/support/log_capture.h"
#include "tests/unit/transport/service_rig.h"
#include "tests/unit/transport/test_peer.h"

namespace panbo::test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

constexpr uint64_t kForEver = UINT64_MAX;

class ClientConnectionTest : public testing::Test {
 protected:
  TestPeer connect(uint32_t uid = 1000, bool tiny = false) {
    auto [ours, theirs] = socket_pair(tiny);
    auto client = std::make_shared<ClientConnection>(context(), std::move(ours), Peer{.uid = uid, .pid = 7},
                                                     [this](ClientConnection& c) { clients_.erase(&c); });
    client->start();
    clients_.emplace(client.get(), client);
    return TestPeer(std::move(theirs));
  }
  TestPeer greeted(uint32_t uid = 1000, bool tiny = false) {
    TestPeer peer = connect(uid, tiny);
    EXPECT_TRUE(peer.send(hello(1)));
    EXPECT_TRUE(next(peer).message.has_welcome());
    return peer;
  }
  ClientContext context() {
    return {.io = rig_.io,
            .service = rig_.service,
            .backend = *rig_.sim,
            .fds_in_flight = registry_,
            .daemon = daemon_,
            .limits = limits_};
  }

  /// Waits for the next packet.
  TestPeer::Packet next(TestPeer& peer) {
    std::optional<TestPeer::Packet> packet;
    EXPECT_TRUE(run_until(rig_.io, [&] { return (packet = peer.receive()).has_value(); }));
    return packet ? *std::move(packet) : TestPeer::Packet{};
  }
  TestPeer::Packet ask(TestPeer& peer, const wire::Envelope& request) {
    EXPECT_TRUE(peer.send(request));
    return next(peer);
  }
  bool run_until_clients(size_t count) {
    return run_until(rig_.io, [&] { return clients_.size() == count; });
  }
  void run_ready() { run_what_is_ready(rig_.io); }

  /// Sends requests for one BO each until the daemon reads no more. Returns how many were sent.
  uint64_t flood(TestPeer& peer) {
    uint64_t request = 100;
    while (peer.send(alloc(request, {4096}))) {
      ++request;
      run_ready();
    }
    return request - 100;
  }

  LogCapture log_;
  ConnectionLimits limits_{.hello_timeout = hours(1), .stall_limit = hours(1)};
  const DaemonInfo daemon_{.version = "1.2.3", .backend = "sim", .driver = "sim", .node = ""};
  const std::shared_ptr<FdsInFlightRegistry> registry_ = std::make_shared<FdsInFlightRegistry>(hours(1));
  ServiceRig rig_{{.client_quota = {.bytes = UINT64_MAX, .bos = UINT64_MAX, .requests = 64, .fds = 64},
                   .user_quota = {.bytes = UINT64_MAX, .bos = UINT64_MAX, .requests = 256, .fds = 100}}};
  std::map<ClientConnection*, std::shared_ptr<ClientConnection>> clients_;
};

TEST_F(ClientConnectionTest, AHelloIsWelcome) {
  TestPeer peer = connect();
  const auto welcome = ask(peer, hello(7)).message;
  EXPECT_EQ(welcome.request_id(), 7u);
  EXPECT_EQ(welcome.welcome().protocol_version(), 1u);
  EXPECT_EQ(welcome.welcome().daemon_version(), "1.2.3");
  EXPECT_NE(welcome.welcome().client_id(), 0u);
  EXPECT_EQ(welcome.welcome().max_bo_size(), rig_.sim->limits().max_bo_size);
}

TEST_F(ClientConnectionTest, EachGrantHasItsFd) {
  TestPeer peer = greeted();
  const auto granted = ask(peer, alloc(2, {4096, 5000, 3 * 4096}));
  EXPECT_EQ(granted.message.request_id(), 2u);
  ASSERT_EQ(granted.message.granted().grants_size(), 3);
  ASSERT_EQ(granted.fds.size(), 3u);
  const uint64_t expected_sizes[] = {4096, 8192, 12288};
  for (int i = 0; i < 3; ++i) {
    const wire::Grant& grant = granted.message.granted().grants(i);
    struct stat status;
    ASSERT_EQ(::fstat(granted.fds[static_cast<size_t>(i)].get(), &status), 0);
    EXPECT_EQ(grant.inode(), status.st_ino);
    EXPECT_EQ(grant.size(), expected_sizes[i]);
    EXPECT_EQ(static_cast<uint64_t>(status.st_size), expected_sizes[i]);
    EXPECT_EQ(grant.origin(), wire::ORIGIN_FRESH);
  }
}

TEST_F(ClientConnectionTest, TheLargestBatchIsGranted) {
  TestPeer peer = greeted();
  wire::Envelope request = alloc(2, {});
  for (size_t i = 0; i < limits::kMaxBatch; ++i) request.mutable_alloc()->add_items()->set_size(4096);
  const auto granted = ask(peer, request);
  EXPECT_EQ(static_cast<size_t>(granted.message.granted().grants_size()), limits::kMaxBatch);
  EXPECT_EQ(granted.fds.size(), limits::kMaxBatch);
}

TEST_F(ClientConnectionTest, TheDaemonKeepsNoFdOfWhatItHasSent) {
  TestPeer peer = greeted();
  const int before = open_fds();
  const auto granted = ask(peer, alloc(2, {4096}));
  EXPECT_EQ(open_fds(), before + 3) << "the client's, and the two that a simulated BO costs for its life";
}

TEST_F(ClientConnectionTest, WhatAClientLeavesIsGivenBack) {
  TestPeer peer = greeted();
  {
    const auto granted = ask(peer, alloc(2, {4096, 4096}));
    EXPECT_EQ(rig_.stats().leased.count, 2u);
  }
  peer.take_socket().reset();
  ASSERT_TRUE(run_until_clients(0));
  EXPECT_EQ(rig_.stats().leased.count, 0u);
  TestPeer other = greeted();
  EXPECT_EQ(ask(other, alloc(2, {4096})).message.granted().grants(0).origin(), wire::ORIGIN_CACHED);
}

TEST_F(ClientConnectionTest, AClientThatLeavesUnreadGrantsBehindGivesThemBack) {
  TestPeer peer = greeted();
  ASSERT_TRUE(peer.send(alloc(2, {4096, 4096})));
  run_ready();
  ASSERT_EQ(rig_.stats().leased.count, 2u);
  peer.take_socket().reset();
  ASSERT_TRUE(run_until_clients(0));
  EXPECT_EQ(rig_.stats().leased.count, 0u);
}

TEST_F(ClientConnectionTest, ARequestBeforeHelloEndsTheConnection) {
  TestPeer peer = connect();
  EXPECT_EQ(ask(peer, alloc(2, {4096})).message.failure().code(), wire::FAILURE_PROTOCOL);
  ASSERT_TRUE(run_until_clients(0));
  EXPECT_TRUE(peer.at_end());
}

TEST_F(ClientConnectionTest, ASecondHelloEndsTheConnection) {
  TestPeer peer = greeted();
  const auto failure = ask(peer, hello(2));
  EXPECT_EQ(failure.message.request_id(), 2u);
  EXPECT_EQ(failure.message.failure().code(), wire::FAILURE_PROTOCOL);
  ASSERT_TRUE(run_until_clients(0));
  EXPECT_TRUE(peer.at_end());
}

TEST_F(ClientConnectionTest, AVersionThatNobodySpeaksEndsTheConnection) {
  TestPeer peer = connect();
  wire::Envelope old = hello(1);
  old.mutable_hello()->set_protocol_version(0);
  EXPECT_EQ(ask(peer, old).message.failure().code(), wire::FAILURE_VERSION);
  ASSERT_TRUE(run_until_clients(0));
}

TEST_F(ClientConnectionTest, AMalformedPacketEndsTheConnectionWithAnAnswer) {
  TestPeer peer = greeted();
  ASSERT_TRUE(peer.send_raw("\xff\xff\xff"));
  EXPECT_EQ(next(peer).message.failure().code(), wire::FAILURE_PROTOCOL);
  ASSERT_TRUE(run_until_clients(0));
}

TEST_F(ClientConnectionTest, AnUnknownRequestIsAnsweredAndTheConnectionGoesOn) {
  TestPeer peer = greeted();
  wire::Envelope stats;
  stats.set_request_id(3);
  stats.mutable_get_stats();
  EXPECT_EQ(ask(peer, stats).message.failure().code(), wire::FAILURE_NOT_PERMITTED);
  EXPECT_TRUE(ask(peer, alloc(4, {4096})).message.has_granted());
}

TEST_F(ClientConnectionTest, ARefusalIsLoggedOnceForEachKind) {
  TestPeer peer = greeted();
  for (uint64_t i = 0; i < 5; ++i) static_cast<void>(ask(peer, alloc(i + 1, {0})));
  EXPECT_EQ(log_.count("was refused a request"), 1u);
  static_cast<void>(ask(peer, release(9, {1234})));
  EXPECT_EQ(log_.count("was refused a request"), 2u);
}

TEST_F(ClientConnectionTest, FdsFromAClientAreClosedAndEndTheConnection) {
  TestPeer peer = greeted();
  const int before = open_fds();
  ASSERT_TRUE(peer.send_raw(alloc(2, {4096}).SerializeAsString(), std::vector{peer.socket(), peer.socket()}));
  ASSERT_TRUE(run_until_clients(0));
  EXPECT_EQ(open_fds(), before - 1) << "the connection's";
  EXPECT_EQ(rig_.stats().requests, 0u);
}

TEST_F(ClientConnectionTest, WhoDoesNotSayHelloIsDisconnected) {
  limits_.hello_timeout = milliseconds(20);
  TestPeer polite = greeted();
  TestPeer silent = connect();
  ASSERT_TRUE(run_until(rig_.io, [&] { return silent.at_end(); }));
  EXPECT_EQ(clients_.size(), 1u);
  EXPECT_TRUE(ask(polite, alloc(2, {4096})).message.has_granted());
  EXPECT_EQ(log_.count("has not said Hello"), 1u);
}

TEST_F(ClientConnectionTest, WhoSaysSomethingElseThanHelloHasNotSaidHello) {
  limits_.hello_timeout = milliseconds(20);
  TestPeer peer = connect();
  wire::Envelope nothing;
  nothing.set_request_id(5);
  EXPECT_EQ(ask(peer, nothing).message.failure().code(), wire::FAILURE_NOT_SUPPORTED);
  ASSERT_TRUE(run_until_clients(0));
}

TEST_F(ClientConnectionTest, AClientThatDoesNotReadIsNotReadFromEither) {
  TestPeer peer = greeted(1000, true);
  const uint64_t sent = flood(peer);
  const uint64_t served = rig_.stats().requests;
  EXPECT_GT(served, 0u);
  EXPECT_LT(served, sent);
  run_ready();
  EXPECT_EQ(rig_.stats().requests, served);

  // Whoever then reads gets everything it asked for, in order.
  for (uint64_t i = 0; i < sent; ++i) {
    const auto granted = next(peer);
    ASSERT_EQ(granted.message.request_id(), 100 + i);
    ASSERT_EQ(granted.fds.size(), 1u);
  }
}

TEST_F(ClientConnectionTest, AClientThatDoesNotReadKeepsNobodyWaiting) {
  TestPeer deaf = greeted(1000, true);
  flood(deaf);
  TestPeer other = greeted(1000);
  EXPECT_TRUE(ask(other, alloc(2, {4096})).message.has_granted());
}

TEST_F(ClientConnectionTest, AClientThatDoesNotReadForLongIsDisconnected) {
  limits_.stall_limit = milliseconds(20);
  TestPeer peer = greeted(1000, true);
  flood(peer);
  ASSERT_TRUE(run_until_clients(0));
  EXPECT_EQ(rig_.stats().leased.count, 0u);
  EXPECT_EQ(log_.count("does not read: disconnected"), 1u);
  // What was sent before can still be read, and then there is the end.
  while (peer.receive()) continue;
  EXPECT_TRUE(peer.at_end());
}

TEST_F(ClientConnectionTest, PressureIsAnEvent) {
  TestPeer peer = greeted();
  TestPeer stranger = connect();
  rig_.service.on_pressure(Pressure::kFull);
  const auto event = next(peer).message;
  EXPECT_EQ(event.request_id(), 0u);
  EXPECT_EQ(event.pressure_event().level(), wire::PRESSURE_LEVEL_FULL);
  run_ready();
  EXPECT_FALSE(stranger.receive()) << "has not said Hello";
}

TEST_F(ClientConnectionTest, PressureIsNotQueuedBehindOutputThatWaits) {
  TestPeer peer = greeted(1000, true);
  const uint64_t sent = flood(peer);
  for (int i = 0; i < 100; ++i) rig_.service.on_pressure(Pressure::kSome);
  for (uint64_t i = 0; i < sent; ++i) ASSERT_TRUE(next(peer).message.has_granted());
  run_ready();
  EXPECT_FALSE(peer.receive());
}

TEST_F(ClientConnectionTest, AClientThatReadsNoEventsMissesThemAndGoesOn) {
  limits_.stall_limit = Duration::zero();
  TestPeer idle = greeted(1000, true);
  for (int i = 0; i < 100; ++i) {
    rig_.service.on_pressure(Pressure::kSome);
    run_ready();
  }
  // As long as the longest pause between two attempts would take, and longer.
  limits_.hello_timeout = milliseconds(200);
  TestPeer silent = connect();
  ASSERT_TRUE(run_until(rig_.io, [&] { return silent.at_end(); }));
  EXPECT_EQ(clients_.size(), 1u);

  ASSERT_TRUE(idle.send(alloc(2, {4096})));
  int events = 0;
  auto packet = next(idle);
  for (; packet.message.has_pressure_event(); packet = next(idle)) ++events;
  EXPECT_TRUE(packet.message.has_granted());
  EXPECT_GT(events, 0);
  EXPECT_LT(events, 100);
}

class UnsendableGrantTest : public ClientConnectionTest, public testing::WithParamInterface<int> {
 protected:
  void fail_exports(uint32_t times) { ASSERT_TRUE(rig_.sim->fail_next("export", Errno{GetParam()}, times)); }
};

TEST_P(UnsendableGrantTest, IsTriedAgain) {
  TestPeer peer = greeted();
  fail_exports(3);
  const auto granted = ask(peer, alloc(2, {4096}));
  EXPECT_TRUE(granted.message.has_granted());
  EXPECT_EQ(granted.fds.size(), 1u);
}

TEST_P(UnsendableGrantTest, IsSentWholeOrNotAtAll) {
  TestPeer peer = greeted();
  const int before = open_fds();
  fail_exports(UINT32_MAX);
  ASSERT_TRUE(peer.send(alloc(2, {4096, 4096, 4096})));
  run_ready();
  EXPECT_EQ(open_fds(), before + 3) << "one for each simulated BO, none for those on their way";
  fail_exports(0);
  EXPECT_EQ(next(peer).fds.size(), 3u);
}

TEST_P(UnsendableGrantTest, IsRefusedAfterTheLimitAndGivenBack) {
  limits_.stall_limit = milliseconds(20);
  TestPeer peer = greeted();
  fail_exports(UINT32_MAX);
  const auto failure = ask(peer, alloc(2, {4096, 4096}));
  EXPECT_EQ(failure.message.request_id(), 2u);
  EXPECT_EQ(failure.message.failure().code(), wire::FAILURE_DEVICE);
  ASSERT_TRUE(run_until(rig_.io, [&] { return rig_.stats().leased.count == 0; }));
  EXPECT_EQ(log_.count("cannot be sent what it was granted"), 1u);

  fail_exports(0);
  const auto granted = ask(peer, alloc(3, {4096}));
  EXPECT_EQ(granted.message.granted().grants(0).origin(), wire::ORIGIN_CACHED);
}

INSTANTIATE_TEST_SUITE_P(Errors, UnsendableGrantTest, testing::Values(EMFILE, ETOOMANYREFS, ENOMEM));

TEST_F(ClientConnectionTest, AGrantThatTheDeviceCannotExportAtAllEndsTheConnection) {
  TestPeer peer = greeted();
  ASSERT_TRUE(rig_.sim->fail_next("export", Errno{EIO}, 1));
  ASSERT_TRUE(peer.send(alloc(2, {4096})));
  ASSERT_TRUE(run_until_clients(0));
  EXPECT_EQ(rig_.stats().leased.count, 0u);
}

TEST_F(ClientConnectionTest, UnreadFdsHaveALimit) {
  TestPeer peer = greeted();
  // 63 of 64.
  wire::Envelope most = alloc(2, {});
  for (int i = 0; i < 63; ++i) most.mutable_alloc()->add_items()->set_size(4096);
  ASSERT_TRUE(peer.send(most));
  ASSERT_TRUE(peer.send(alloc(3, {4096, 4096})));
  run_ready();
  const auto account_is_full = [&] { return rig_.stats().requests == 65; };
  ASSERT_TRUE(run_until(rig_.io, account_is_full));
  EXPECT_EQ(peer.receive()->fds.size(), 63u);
  EXPECT_EQ(next(peer).fds.size(), 2u);
}

TEST_F(ClientConnectionTest, AClientThatLeavesTooManyFdsUnreadIsDisconnected) {
  limits_.stall_limit = milliseconds(20);
  TestPeer peer = greeted();
  for (uint64_t i = 0; i < 65; ++i) ASSERT_TRUE(peer.send(alloc(2 + i, {4096})));
  ASSERT_TRUE(run_until_clients(0));
  EXPECT_EQ(log_.count("does not read: disconnected"), 1u);
}

TEST_F(ClientConnectionTest, FdsThatOthersLeftUnreadAreNoReasonToDisconnectAReader) {
  TestPeer unread = greeted();
  for (uint64_t i = 0; i < 64; ++i) ASSERT_TRUE(unread.send(alloc(2 + i, {4096})));
  run_ready();
  limits_.stall_limit = milliseconds(20);
  TestPeer reader = greeted();
  // 36 are left for this user.
  wire::Envelope request = alloc(2, {});
  for (int i = 0; i < 37; ++i) request.mutable_alloc()->add_items()->set_size(4096);
  EXPECT_EQ(ask(reader, request).message.failure().code(), wire::FAILURE_DEVICE);
  EXPECT_EQ(clients_.size(), 2u);
  EXPECT_TRUE(ask(reader, alloc(3, {4096})).message.has_granted());
}

TEST_F(ClientConnectionTest, WhoLeavesUnreadWhatOthersNeedIsDisconnectedAndTheyAreServed) {
  const auto registry = std::make_shared<FdsInFlightRegistry>(milliseconds(20));
  ClientContext strict = context();
  strict.fds_in_flight = registry;
  const auto connect_strictly = [&] {
    auto [ours, theirs] = socket_pair();
    auto client = std::make_shared<ClientConnection>(strict, std::move(ours), Peer{.uid = 1000, .pid = 7},
                                                     [this](ClientConnection& c) { clients_.erase(&c); });
    client->start();
    clients_.emplace(client.get(), client);
    TestPeer peer(std::move(theirs));
    EXPECT_TRUE(ask(peer, hello(1)).message.has_welcome());
    return peer;
  };
  TestPeer unread = connect_strictly();
  for (uint64_t i = 0; i < 64; ++i) ASSERT_TRUE(unread.send(alloc(2 + i, {4096})));
  run_ready();
  TestPeer reader = connect_strictly();
  wire::Envelope request = alloc(2, {});
  for (int i = 0; i < 37; ++i) request.mutable_alloc()->add_items()->set_size(4096);
  ASSERT_TRUE(reader.send(request));
  ASSERT_TRUE(run_until_clients(1));
  EXPECT_EQ(log_.count("does not read what others could use"), 1u);
  // Disconnected, it still has them in its queue; only when it closes that are they free.
  run_ready();
  EXPECT_FALSE(reader.receive());
  unread.take_socket().reset();
  EXPECT_EQ(next(reader).fds.size(), 37u);
}

TEST_F(ClientConnectionTest, FdsLeftUnreadCountAfterTheirConnection) {
  // The kernel charges them to the daemon until they are read, whoever has disconnected meanwhile.
  std::vector<TestPeer> gone;
  for (uint64_t i = 0; i < 100; ++i) {
    gone.push_back(greeted());
    ASSERT_TRUE(gone.back().send(alloc(2, {4096})));
    run_ready();
    ::shutdown(gone.back().socket(), SHUT_WR);
    ASSERT_TRUE(run_until_clients(0));
  }
  TestPeer client = greeted();
  ASSERT_TRUE(client.send(alloc(2, {4096})));
  run_ready();
  EXPECT_FALSE(client.receive());
  TestPeer somebody_else = greeted(1001);
  EXPECT_TRUE(ask(somebody_else, alloc(2, {4096})).message.has_granted());
  gone.pop_back();
  EXPECT_TRUE(next(client).message.has_granted());
}

TEST_F(ClientConnectionTest, ARequestThatWaitsIsAnsweredWhenThereIsMemory) {
  ASSERT_TRUE(rig_.sim->set_memory_limit(4096));
  TestPeer holder = greeted();
  TestPeer waiter = greeted();
  const auto lease = ask(holder, alloc(2, {4096})).message.granted().grants(0).lease_id();
  ASSERT_TRUE(waiter.send(alloc(2, {4096}, kForEver)));
  run_ready();
  EXPECT_FALSE(waiter.receive());
  ASSERT_TRUE(holder.send(release(0, {lease})));
  EXPECT_EQ(next(waiter).message.granted().grants(0).origin(), wire::ORIGIN_WAITED);
}

}  // namespace
}  // namespace panbo::test
