// A client that does not read, while others work.
#include <sys/socket.h>

#include <optional>
#include <thread>

#include "tests/faults/faults_test.h"

namespace panbo {
namespace {

using SlowPeerTest = FaultsTest;

wire::Envelope batch_of_64() {
  wire::Envelope message;
  for (int i = 0; i < 64; ++i) message.mutable_alloc()->add_items()->set_size(4096);
  return message;
}

TEST_F(SlowPeerTest, fault_01_has_a_bounded_number_of_fds_in_flight_and_is_disconnected) {
  std::optional slow = connect_and_greet("slow");
  // Far more than its 128 fds; the daemon stops to read when it may not send more.
  for (int i = 0; i < 10; ++i) slow->send(batch_of_64());
  size_t most_fds = 0;
  await("it is disconnected", [&] {
    expect_bystander_served();
    most_fds = std::max(most_fds, daemon_.open_fds());
    return logged("does not read") == 1;
  });
  // Two batches are in flight, and a third one waits. Each BO of the simulated device costs it two fds.
  EXPECT_LE(most_fds, quiet_fds_ + 1 + 2 * (3 * 64 + 2));
  // The fds that it never read are in its socket, and hold their BOs.
  slow.reset();
}

TEST_F(SlowPeerTest, fault_01_that_reads_in_the_end_gets_everything) {
  WirePeer slow = connect_and_greet("slow");
  constexpr int kRequests = 6;
  for (int i = 0; i < kRequests; ++i) slow.send(batch_of_64());
  expect_bystander_served();
  for (int i = 0; i < kRequests; ++i) {
    const FromDaemon answer = slow.receive();
    EXPECT_EQ(answer.message.granted().grants_size(), 64);
    EXPECT_EQ(answer.fds.size(), 64u);
  }
  EXPECT_EQ(logged("does not read"), 0u);
}

TEST_F(SlowPeerTest, fault_17_pipelined_requests_are_bounded) {
  WirePeer eager = connect_and_greet("eager");
  // The socket takes some of them, and then no more: the daemon holds none of them in its own memory.
  wire::Envelope message;
  message.mutable_alloc()->add_items()->set_size(0);
  const std::string packet = message.SerializeAsString();
  std::thread sender([&] {
    for (int i = 0; i < 100'000; ++i) {
      if (!send_packet(eager.socket(), std::as_bytes(std::span(packet)), {}, 0)) return;
    }
  });
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_EQ(eager.receive().message.failure().code(), wire::FAILURE_INVALID_ARGUMENT);
    if (i % 10'000 == 0) expect_bystander_served();
  }
  sender.join();
  EXPECT_EQ(logged("was refused a request"), 1u);
}

TEST_F(SlowPeerTest, fault_16_one_that_closes_with_answers_unread_does_no_harm) {
  for (int i = 0; i < 20; ++i) {
    WirePeer peer = connect_and_greet();
    peer.send(batch_of_64());
    if (i % 2 == 0) ::shutdown(peer.socket(), SHUT_RD);
  }
}

}  // namespace
}  // namespace panbo
