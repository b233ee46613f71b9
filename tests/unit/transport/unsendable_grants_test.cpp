// Grants that cannot be sent now: the daemon is short of fds, or too many of them are unread.

#include <sys/socket.h>

#include "tests/support/fds.h"
#include "tests/unit/transport/client_connection_fixture.h"

namespace panbo::test {
namespace {

using std::chrono::milliseconds;

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
  ASSERT_TRUE(run_until(rig_.io, rig_.service.turns(), [&] { return rig_.stats().leased.count == 0; }));
  EXPECT_EQ(log_.count("cannot be sent what it was granted"), 1u);

  fail_exports(0);
  const auto granted = ask(peer, alloc(3, {4096}));
  EXPECT_EQ(granted.message.granted().grants(0).origin(), wire::ORIGIN_CACHED);
}

INSTANTIATE_TEST_SUITE_P(Errors, UnsendableGrantTest, testing::Values(EMFILE, ETOOMANYREFS, ENOMEM));

class BrokenGrantTest : public ClientConnectionTest, public testing::WithParamInterface<int> {};

TEST_P(BrokenGrantTest, CostsTheBoAndTheRequestAndNotTheConnection) {
  TestPeer peer = greeted();
  const auto kept = ask(peer, alloc(2, {4096}));
  ASSERT_TRUE(rig_.sim->fail_next("export", Errno{GetParam()}, 1));
  const auto failure = ask(peer, alloc(3, {8192, 8192, 8192}));
  EXPECT_EQ(failure.message.request_id(), 3u);
  EXPECT_EQ(failure.message.failure().code(), wire::FAILURE_DEVICE);
  run_ready();
  EXPECT_EQ(clients_.size(), 1u);
  EXPECT_EQ(rig_.stats().leased.count, 1u) << "what it had before";
  EXPECT_EQ(rig_.stats().ready.count, 2u) << "the broken one is gone";
  EXPECT_EQ(rig_.stats().held.count, 0u);
  EXPECT_TRUE(ask(peer, alloc(4, {8192, 8192})).message.has_granted());
}

INSTANTIATE_TEST_SUITE_P(Errors, BrokenGrantTest, testing::Values(EIO, ENODEV, ENOENT, EINVAL));

TEST_F(ClientConnectionTest, UnreadFdsHaveALimit) {
  TestPeer peer = greeted();
  // 63 of 64.
  wire::Envelope most = alloc(2, {});
  for (int i = 0; i < 63; ++i) most.mutable_alloc()->add_items()->set_size(4096);
  ASSERT_TRUE(peer.send(most));
  const auto most_is_sent = [&] { return rig_.stats().leased.count == 63 && rig_.service.turns().idle(); };
  ASSERT_TRUE(run_until(rig_.io, rig_.service.turns(), most_is_sent));
  ASSERT_TRUE(peer.send(alloc(3, {4096, 4096})));
  run_ready();
  const auto account_is_full = [&] { return rig_.stats().requests == 65; };
  ASSERT_TRUE(run_until(rig_.io, rig_.service.turns(), account_is_full));
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

}  // namespace
}  // namespace panbo::test
