// Clients of a whole service with a simulated device: real sockets and fds, one thread.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>

#include "daemon/transport/client_connection.h"
#include "tests/support/event_loop.h"
#include "tests/support/log_capture.h"
#include "tests/unit/transport/service_rig.h"
#include "tests/unit/transport/test_peer.h"

namespace panbo::test {

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
            .log = client_log_,
            .daemon = daemon_,
            .limits = limits_};
  }

  /// Waits for the next packet.
  TestPeer::Packet next(TestPeer& peer) {
    std::optional<TestPeer::Packet> packet;
    EXPECT_TRUE(run_until(rig_.io, rig_.service.turns(), [&] { return (packet = peer.receive()).has_value(); }));
    return packet ? *std::move(packet) : TestPeer::Packet{};
  }
  TestPeer::Packet ask(TestPeer& peer, const wire::Envelope& request) {
    EXPECT_TRUE(peer.send(request));
    return next(peer);
  }
  bool run_until_clients(size_t count) {
    return run_until(rig_.io, rig_.service.turns(), [&] { return clients_.size() == count; });
  }
  void run_ready() { run_what_is_ready(rig_.io, rig_.service.turns()); }

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
  ClientLog client_log_;
  ConnectionLimits limits_{.hello_timeout = std::chrono::hours(1), .stall_limit = std::chrono::hours(1)};
  const DaemonInfo daemon_{.version = "1.2.3", .backend = "sim", .driver = "sim", .node = ""};
  const std::shared_ptr<FdsInFlightRegistry> registry_ = std::make_shared<FdsInFlightRegistry>(std::chrono::hours(1));
  ServiceRig rig_{
      {.client_quota = {.bytes = UINT64_MAX, .addresses = UINT64_MAX, .bos = UINT64_MAX, .requests = 64, .fds = 64},
       .user_quota = {.bytes = UINT64_MAX, .addresses = UINT64_MAX, .bos = UINT64_MAX, .requests = 256, .fds = 100}}};
  std::map<ClientConnection*, std::shared_ptr<ClientConnection>> clients_;
};

}  // namespace panbo::test
