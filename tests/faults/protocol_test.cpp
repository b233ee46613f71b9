// Packets that nobody should send, from a peer that shares no code with the daemon, and closed connections.
#include <sys/socket.h>

#include "tests/faults/faults_test.h"
#include "tests/faults/plain_peer.h"

namespace panbo {
namespace {

using ProtocolTest = FaultsTest;

TEST_F(ProtocolTest, fault_15_every_message_cut_or_changed_anywhere_is_answered_or_ends_its_connection) {
  EXPECT_EQ(plain_peer("truncated", daemon_.socket_path()), 0);
}

TEST_F(ProtocolTest, fault_15_garbage_is_answered_or_ends_its_connection) {
  EXPECT_EQ(plain_peer("garbage", daemon_.socket_path()), 0);
}

TEST_F(ProtocolTest, fault_15_every_number_at_its_ends_is_answered) {
  EXPECT_EQ(plain_peer("numbers", daemon_.socket_path()), 0);
}

TEST_F(ProtocolTest, fault_16_half_closed_connections_end_no_other) {
  EXPECT_EQ(plain_peer("shutdown", daemon_.socket_path()), 0);
}

TEST_F(ProtocolTest, fault_16_an_answer_to_a_peer_that_hears_no_more_is_no_signal) {
  constexpr uint64_t kPeers = 10;
  limit_memory(kMiB / 2);
  const FromDaemon all = bystander_.alloc(kMiB / 2);
  std::vector<WirePeer> peers;
  const uint64_t failed = admin_.stats().failed();
  for (uint64_t i = 0; i < kPeers; ++i) {
    // Its request still waits when it shuts down, and is answered after that.
    wire::Envelope message = batch_of(1, kMiB / 2);
    message.mutable_alloc()->set_timeout_ns(50'000'000);
    peers.push_back(connect_and_greet());
    peers.back().send(message);
    ::shutdown(peers.back().socket(), SHUT_RD);
  }
  await("all have had their answer", [&] { return admin_.stats().failed() == failed + kPeers; });
  await_clients(1);
  bystander_.release({grant_of(all).lease_id()});
}

}  // namespace
}  // namespace panbo
