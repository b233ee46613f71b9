// Clients that come, take a BO and are killed, one after the other.
#include <csignal>
#include <cstdlib>

#include "tests/faults/faults_test.h"

namespace panbo {
namespace {

using CyclesTest = FaultsTest;

/// A few thousand, or as many as PANBO_FAULTS_CYCLES says.
uint64_t cycles() {
  const char* set = std::getenv("PANBO_FAULTS_CYCLES");
  return set == nullptr ? 3000 : std::strtoull(set, nullptr, 10);
}

TEST_F(CyclesTest, fault_08_cycles_of_connect_lease_and_kill_leave_nothing_behind) {
  const uint64_t count = cycles();
  const auto cycle = [this](uint64_t i) {
    const bool died = !run_as(0, [&] {
      WirePeer peer = connect_and_greet();
      const FromDaemon lease = peer.alloc(4096 * (1 + i % 7));
      return lease.message.has_granted() && ::kill(::getpid(), SIGKILL) == 0;
    });
    ASSERT_TRUE(died);
  };
  const auto next_client = [this] { return connect().hello().client_id(); };
  // What the daemon's allocator keeps has its size by then.
  uint64_t done = 0;
  for (; done < count / 10; ++done) cycle(done);
  expect_nothing_leaked();
  const uint64_t memory_before = memory();
  const uint64_t client_before = next_client();
  for (; done < count && !HasFatalFailure(); ++done) cycle(done);
  expect_nothing_leaked();
  EXPECT_EQ(next_client(), client_before + (count - count / 10) + 1) << "each had one id";
  const uint64_t memory_after = memory();
  std::printf("%lu cycles: %zu fds, %lu KiB of memory before and %lu KiB after\n", count, daemon_.open_fds(),
              memory_before / 1024, memory_after / 1024);
  if (kSanitized) return;
  EXPECT_LE(memory_after, memory_before + kMiB);
}

}  // namespace
}  // namespace panbo
