// A client that does not read, while others work.
#include <sys/socket.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>

#include "tests/faults/faults_test.h"

namespace panbo {
namespace {

using SlowPeerTest = FaultsTest;

wire::Envelope batch_of_64() {
  return batch_of(64, 4096);
}

/// How long a process has computed, in ticks of the kernel's.
uint64_t cpu_ticks(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  // After the name, which may have spaces: the state and ten other fields, then the time in user and in kernel mode.
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  uint64_t user = 0;
  uint64_t system = 0;
  fields >> user >> system;
  return user + system;
}

// It takes the ten seconds that a peer has to read.
TEST_F(SlowPeerTest, fault_01_while_a_hundred_others_work_has_few_fds_in_flight_and_is_disconnected) {
  std::optional slow = connect_and_greet("slow");
  std::vector<WirePeer> others;
  for (int i = 0; i < 100; ++i) others.push_back(connect_and_greet("works"));
  // Far more than its 128 fds; the daemon stops to read when it may not send more.
  for (int i = 0; i < 10; ++i) slow->send(batch_of_64());
  await("it is disconnected", [&] {
    wire::Envelope message = batch_of(1, 4096);
    for (WirePeer& other : others) {
      message.set_request_id(3);
      other.send(message);
    }
    for (WirePeer& other : others) {
      const FromDaemon answer = other.receive();
      EXPECT_TRUE(answer.message.has_granted()) << answer.message.failure().message();
      other.release({grant_of(answer).lease_id()});
    }
    return HasFailure() || logged("disconnected") > 0;
  });
  const auto connected = clients();
  const auto works = [](const wire::Client& client) { return client.name() == "works"; };
  EXPECT_EQ(std::count_if(connected.begin(), connected.end(), works), 100) << "nobody else is disconnected";
  // What it has not read is its quota of fds in flight at most, however much it asked for.
  const auto gone = std::ranges::find_if(connected, [](const wire::Client& client) { return client.gone(); });
  ASSERT_NE(gone, connected.end());
  EXPECT_EQ(gone->unread_fds(), 128u);
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

TEST_F(SlowPeerTest, fault_17_pipelined_requests_are_bounded_and_no_quadratic_work) {
  constexpr int kRequests = 100'000;
  constexpr int kPart = kRequests / 5;
  WirePeer eager = connect_and_greet("eager");
  const uint64_t quiet_memory = memory();
  // The socket takes some of them, and then no more: the daemon holds none of them in its own memory.
  const std::string packet = batch_of(1, 0).SerializeAsString();
  std::thread sender([&] {
    for (int i = 0; i < kRequests; ++i) {
      if (!send_packet(eager.socket(), std::as_bytes(std::span(packet)), {}, 0)) return;
    }
  });
  std::vector<uint64_t> ticks{cpu_ticks(daemon_.pid())};
  for (int i = 1; i <= kRequests; ++i) {
    EXPECT_EQ(code_of(eager.receive()), wire::FAILURE_INVALID_ARGUMENT);
    if (i % kPart != 0) continue;
    expect_bystander_served();
    ticks.push_back(cpu_ticks(daemon_.pid()));
  }
  sender.join();
  EXPECT_EQ(logged("was refused a request"), 1u);
  // Of the parts the last one costs what the first one did.
  EXPECT_LE(ticks[5] - ticks[4], 3 * (ticks[1] - ticks[0]) + 10);
  if (kSanitized) return;
  EXPECT_LE(memory(), quiet_memory + 2 * kMiB);
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
