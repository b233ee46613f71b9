#include "daemon/transport/client_connection.h"

#include <sys/stat.h>

#include "proto/limits.h"
#include "tests/support/client_table.h"
#include "tests/support/fds.h"
#include "tests/unit/transport/client_connection_fixture.h"

namespace panbo::test {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kForEver = UINT64_MAX;

TEST_F(ClientConnectionTest, AHelloIsWelcome) {
  TestPeer peer = connect();
  const auto welcome = ask(peer, hello(7)).message;
  EXPECT_EQ(welcome.request_id(), 7u);
  EXPECT_EQ(welcome.welcome().protocol_version(), 1u);
  EXPECT_EQ(welcome.welcome().daemon_version(), "1.2.3");
  EXPECT_NE(welcome.welcome().client_id(), 0u);
  EXPECT_EQ(welcome.welcome().max_bo_size(), rig_.sim->limits().max_bo_size);
}

TEST_F(ClientConnectionTest, AWelcomeBringsTheLeaseTableThatWasAskedFor) {
  TestPeer peer = connect();
  const int before = open_fds();
  wire::Envelope with_table = hello(1);
  with_table.mutable_hello()->set_lease_table(true);
  auto welcome = ask(peer, with_table);
  EXPECT_EQ(welcome.message.welcome().lease_table_words(), kLeaseTableWords);
  EXPECT_EQ(welcome.message.welcome().page_size(), 4096u);
  ASSERT_EQ(welcome.fds.size(), 2u);
  EXPECT_EQ(open_fds(), before + 3) << "the client's two, and the daemon's end of the bell";
  const ClientTable table(std::move(welcome.fds[0]), std::move(welcome.fds[1]));
  const uint32_t slot = ask(peer, alloc(2, {4096})).message.granted().grants(0).slot();
  ASSERT_TRUE(table.free(slot));
  rig_.service.on_pressure(Pressure::kFull);
  rig_.service.tick();
  rig_.service.tick();
  table.await_bell();
  EXPECT_TRUE(table.taken(slot));
}

TEST_F(ClientConnectionTest, ALeaseTablesFdsAreInFlightUntilTheyAreRead) {
  TestPeer peer = connect();
  wire::Envelope with_table = hello(1);
  with_table.mutable_hello()->set_lease_table(true);
  ASSERT_TRUE(peer.send(with_table));
  ASSERT_TRUE(run_until(rig_.io, rig_.service.turns(), [&] { return peer.was_read(); }));
  // 64 is what it may have in flight.
  wire::Envelope batch = alloc(2, {});
  for (size_t i = 0; i < limits::kMaxBatch; ++i) batch.mutable_alloc()->add_items()->set_size(4096);
  ASSERT_TRUE(peer.send(batch));
  run_ready();
  EXPECT_EQ(next(peer).fds.size(), 2u);
  EXPECT_EQ(next(peer).fds.size(), limits::kMaxBatch);
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
  ASSERT_TRUE(run_until(rig_.io, rig_.service.turns(), [&] { return silent.at_end(); }));
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

TEST_F(ClientConnectionTest, PressureComesOnceAndBehindOutputThatWaits) {
  TestPeer peer = greeted(1000, true);
  const uint64_t sent = flood(peer);
  for (int i = 0; i < 100; ++i) rig_.service.on_pressure(i == 50 ? Pressure::kFull : Pressure::kSome);
  uint64_t events = 0;
  for (uint64_t i = 0; i < sent + 1; ++i) {
    const auto message = next(peer).message;
    if (!message.has_pressure_event()) continue;
    ++events;
    EXPECT_GT(i, 0u);
    EXPECT_EQ(message.pressure_event().level(), wire::PRESSURE_LEVEL_FULL);
  }
  EXPECT_EQ(events, 1u);
  run_ready();
  EXPECT_FALSE(peer.receive());
}

TEST_F(ClientConnectionTest, OnePressureEventIsUnreadAtMostAndTheGravestOfTheOthersIsRemembered) {
  TestPeer peer = greeted();
  for (int i = 0; i < 100; ++i) {
    rig_.service.on_pressure(i == 50 ? Pressure::kFull : Pressure::kSome);
    run_ready();
  }
  EXPECT_EQ(next(peer).message.pressure_event().level(), wire::PRESSURE_LEVEL_SOME);
  EXPECT_FALSE(peer.receive()) << "a second one";

  ASSERT_TRUE(peer.send(alloc(2, {4096})));
  EXPECT_EQ(next(peer).message.pressure_event().level(), wire::PRESSURE_LEVEL_FULL);
  EXPECT_TRUE(next(peer).message.has_granted());
  run_ready();
  EXPECT_FALSE(peer.receive());
  rig_.service.on_pressure(Pressure::kSome);
  EXPECT_EQ(next(peer).message.pressure_event().level(), wire::PRESSURE_LEVEL_SOME);
}

TEST_F(ClientConnectionTest, AClientThatReadsNoEventsGoesOn) {
  limits_.stall_limit = Duration::zero();
  TestPeer idle = greeted(1000, true);
  for (int i = 0; i < 100; ++i) {
    rig_.service.on_pressure(Pressure::kSome);
    run_ready();
  }
  // As long as the longest pause between two attempts would take, and longer.
  limits_.hello_timeout = milliseconds(200);
  TestPeer silent = connect();
  ASSERT_TRUE(run_until(rig_.io, rig_.service.turns(), [&] { return silent.at_end(); }));
  EXPECT_EQ(clients_.size(), 1u);

  EXPECT_TRUE(next(idle).message.has_pressure_event());
  ASSERT_TRUE(idle.send(alloc(2, {4096})));
  EXPECT_TRUE(next(idle).message.has_pressure_event()) << "the one that was remembered";
  EXPECT_TRUE(next(idle).message.has_granted());
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

TEST_F(ClientConnectionTest, OneThatReconnectsToBeRefusedAgainDoesNotFillTheLog) {
  for (uint64_t i = 0; i < 2 * ClientLog::kLines; ++i) {
    TestPeer peer = greeted();
    EXPECT_TRUE(ask(peer, alloc(2, {0})).message.has_failure());
  }
  EXPECT_EQ(log_.count("was refused a request"), ClientLog::kLines);
}

}  // namespace
}  // namespace panbo::test
