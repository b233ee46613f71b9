// Whose connections are served when: users take turns, and what is long is done in pieces.

#include <algorithm>
#include <vector>

#include "tests/unit/transport/client_connection_fixture.h"

namespace panbo::test {
namespace {

constexpr uint32_t kMany = 1000;
constexpr uint32_t kOne = 1001;

class ConnectionTurnsTest : public ClientConnectionTest {
 protected:
  /// One round of the daemon's loop.
  void round() {
    rig_.io.restart();
    rig_.io.poll();
    rig_.service.turns().run_turn(std::chrono::steady_clock::now());
  }
  static size_t received_by(std::vector<TestPeer>& peers) {
    size_t packets = 0;
    for (TestPeer& peer : peers) {
      while (peer.receive()) ++packets;
    }
    return packets;
  }
};

TEST_F(ConnectionTurnsTest, AUserWithManyConnectionsKeepsAnotherWaitingForOneTurn) {
  std::vector<TestPeer> many;
  for (int i = 0; i < 200; ++i) many.push_back(greeted(kMany));
  TestPeer one = greeted(kOne);
  for (TestPeer& peer : many) {
    for (uint64_t i = 0; i < 20; ++i) ASSERT_TRUE(peer.send(alloc(2 + i, {0})));
  }
  round();
  received_by(many);
  size_t most = 0;
  for (uint64_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(one.send(alloc(2 + i, {0})));
    while (!one.receive()) round();
    most = std::max(most, received_by(many));
  }
  RecordProperty("served_before", static_cast<int>(most));
  EXPECT_LE(most, 2 * Turns::kQuantum / 20) << "packets of the other user that were served before this one's";
}

TEST_F(ConnectionTurnsTest, ALargeBatchKeepsAnotherUserWaitingForAPartOfIt) {
  TestPeer large = greeted(kMany);
  TestPeer small = greeted(kOne);
  wire::Envelope batch = alloc(2, {});
  for (int i = 0; i < 64; ++i) batch.mutable_alloc()->add_items()->set_size(4096);
  ASSERT_TRUE(large.send(batch));
  ASSERT_TRUE(small.send(alloc(2, {4096})));
  std::optional<TestPeer::Packet> answer;
  while (!answer) {
    round();
    answer = small.receive();
  }
  EXPECT_FALSE(large.receive()) << "all of it was exported before";
  EXPECT_EQ(next(large).fds.size(), 64u);
}

TEST_F(ConnectionTurnsTest, NothingMoreIsReadWhileALargeRequestIsBeingServed) {
  TestPeer peer = greeted(kMany);
  wire::Envelope batch = alloc(2, {});
  for (int i = 0; i < 64; ++i) batch.mutable_alloc()->add_items()->set_size(4096);
  // One of them may be in flight.
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(peer.send(batch));
  run_ready();
  EXPECT_EQ(rig_.stats().requests, 2 * 64u);
  EXPECT_LE(rig_.stats().leased.count, 2 * 64u);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(next(peer).fds.size(), 64u);
}

TEST_F(ConnectionTurnsTest, WhatOneUsersReleaseBringsAnotherIsSentInTheOthersTurn) {
  ASSERT_TRUE(rig_.sim->set_memory_limit(4096));
  TestPeer holder = greeted(kOne);
  TestPeer waiter = greeted(kOne);
  const auto lease = ask(holder, alloc(2, {4096})).message.granted().grants(0).lease_id();
  ASSERT_TRUE(waiter.send(alloc(2, {4096}, UINT64_MAX)));
  run_ready();
  rig_.service.handle(ClientId{1}, RequestId{}, ReleaseRequest{{LeaseId{lease}}});
  EXPECT_FALSE(waiter.receive());
  EXPECT_FALSE(rig_.service.turns().idle());
  EXPECT_TRUE(next(waiter).message.has_granted());
}

}  // namespace
}  // namespace panbo::test
