// Both sockets of a daemon, with everything behind them but the process.

#include "daemon/transport/transport.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/support/event_loop.h"
#include "tests/support/log_capture.h"
#include "tests/unit/transport/abstract_listener.h"
#include "tests/unit/transport/service_rig.h"
#include "tests/unit/transport/test_peer.h"

namespace panbo::test {
namespace {

class TransportTest : public testing::Test {
 protected:
  void SetUp() override {
    TransportOptions options;
    options.daemon = {.version = "1.2.3", .backend = "sim", .driver = "sim", .node = ""};
    options.clients_per_user = 2;
    options.administrators = 2;
    transport_.emplace(rig_.io, rig_.service, *rig_.sim, rig_.sim.get(), options);
    transport_->serve_clients(clients_.take_socket());
    transport_->serve_administrators(administrators_.take_socket());
  }

  wire::Envelope ask(TestPeer& peer, const wire::Envelope& request) {
    EXPECT_TRUE(peer.send(request));
    std::optional<TestPeer::Packet> packet;
    EXPECT_TRUE(run_until(rig_.io, rig_.service.turns(), [&] { return (packet = peer.receive()).has_value(); }));
    return packet ? packet->message : wire::Envelope{};
  }
  wire::Envelope get_stats() {
    wire::Envelope request;
    request.mutable_get_stats();
    return request;
  }
  bool is_turned_away(TestPeer& peer) {
    return run_until(rig_.io, rig_.service.turns(), [&] {
      while (const auto packet = peer.receive()) EXPECT_EQ(packet->message.failure().code(), wire::FAILURE_OVER_QUOTA);
      return peer.at_end();
    });
  }
  size_t connected() { return std::get<ClientsReply>(rig_.service.handle_admin(ClientsRequest{})).clients.size(); }

  LogCapture log_;
  ServiceRig rig_;
  AbstractListener clients_;
  AbstractListener administrators_;
  std::optional<Transport> transport_;
};

TEST_F(TransportTest, ServesClientsAndAdministratorsEachOnTheirSocket) {
  TestPeer client(clients_.connect());
  TestPeer administrator(administrators_.connect());
  EXPECT_TRUE(ask(client, hello(1)).has_welcome());
  EXPECT_TRUE(ask(administrator, get_stats()).has_stats());
  EXPECT_EQ(ask(administrator, hello(1)).failure().code(), wire::FAILURE_NOT_PERMITTED);
  EXPECT_EQ(ask(client, get_stats()).failure().code(), wire::FAILURE_NOT_PERMITTED);
}

TEST_F(TransportTest, AdministratorsCanSimulate) {
  TestPeer administrator(administrators_.connect());
  wire::Envelope request;
  request.mutable_simulate()->set_purge(true);
  EXPECT_TRUE(ask(administrator, request).has_simulated());
}

TEST_F(TransportTest, AClientIsKnownByItsUser) {
  TestPeer client(clients_.connect());
  EXPECT_TRUE(ask(client, hello(1, "weston")).has_welcome());
  const auto rows = std::get<ClientsReply>(rig_.service.handle_admin(ClientsRequest{})).clients;
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].peer.uid, ::getuid());
  EXPECT_EQ(rows[0].name, "weston");
}

TEST_F(TransportTest, AUserHasNoMoreClientsThanItsLimit) {
  TestPeer first(clients_.connect());
  TestPeer second(clients_.connect());
  TestPeer third(clients_.connect());
  TestPeer fourth(clients_.connect());
  ASSERT_TRUE(is_turned_away(third));
  ASSERT_TRUE(is_turned_away(fourth));
  EXPECT_EQ(log_.count("may have no more"), 1u);
  EXPECT_TRUE(ask(first, hello(1)).has_welcome());
  EXPECT_TRUE(ask(second, hello(1)).has_welcome());
  EXPECT_EQ(connected(), 2u);

  first.take_socket().reset();
  ASSERT_TRUE(run_until(rig_.io, rig_.service.turns(), [this] { return connected() == 1; }));
  TestPeer fifth(clients_.connect());
  EXPECT_TRUE(ask(fifth, hello(1)).has_welcome());
  TestPeer sixth(clients_.connect());
  ASSERT_TRUE(is_turned_away(sixth));
  EXPECT_EQ(log_.count("may have no more"), 2u);
}

TEST_F(TransportTest, WhoIsTurnedAwayIsToldWhy) {
  TestPeer first(clients_.connect());
  TestPeer second(clients_.connect());
  TestPeer third(clients_.connect());
  std::optional<TestPeer::Packet> packet;
  ASSERT_TRUE(run_until(rig_.io, rig_.service.turns(), [&] { return (packet = third.receive()).has_value(); }));
  EXPECT_EQ(packet->message.failure().code(), wire::FAILURE_OVER_QUOTA);
}

TEST_F(TransportTest, AdministratorsAreNoMoreThanTheirLimit) {
  TestPeer first(administrators_.connect());
  TestPeer second(administrators_.connect());
  TestPeer third(administrators_.connect());
  ASSERT_TRUE(is_turned_away(third));
  EXPECT_TRUE(ask(first, get_stats()).has_stats());
  first.take_socket().reset();
  // Only the event loop can tell when the place is free.
  ASSERT_TRUE(run_until(rig_.io, rig_.service.turns(), [this] {
    TestPeer next(administrators_.connect());
    if (!next.send(get_stats())) return false;
    run_what_is_ready(rig_.io, rig_.service.turns());
    return next.receive().has_value();
  }));
  EXPECT_TRUE(ask(second, get_stats()).has_stats());
}

TEST(Transport, EndsEveryConnectionWithItself) {
  AbstractListener listening;
  TestPeer client(listening.connect());
  {
    ServiceRig rig;
    Transport transport(rig.io, rig.service, *rig.sim, nullptr, {});
    transport.serve_clients(listening.take_socket());
    ASSERT_TRUE(client.send(hello(1)));
    ASSERT_TRUE(run_until(rig.io, rig.service.turns(), [&] { return client.receive().has_value(); }));
    EXPECT_FALSE(client.at_end());
  }
  EXPECT_TRUE(client.at_end());
}

}  // namespace
}  // namespace panbo::test
