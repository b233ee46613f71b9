// Connections in numbers that a daemon was not made for.
#include <sys/resource.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>

#include "tests/faults/faults_test.h"

namespace panbo {
namespace {

class AcceptingTest : public FaultsTest {
 protected:
  /// Takes the daemon the right to open one more fd. Returns the limits to restore.
  rlimit fill_fd_table() {
    rlimit old{};
    EXPECT_EQ(::prlimit(daemon_.pid(), RLIMIT_NOFILE, nullptr, &old), 0);
    const rlimit full{.rlim_cur = static_cast<rlim_t>(daemon_.first_free_fd()), .rlim_max = old.rlim_max};
    EXPECT_EQ(::prlimit(daemon_.pid(), RLIMIT_NOFILE, &full, nullptr), 0);
    return old;
  }
};

/// How often the main thread of a process has gone to sleep.
uint64_t sleeps(pid_t pid) {
  return status_of(pid, "voluntary_ctxt_switches");
}

TEST_F(AcceptingTest, fault_11_one_user_may_connect_only_so_often) {
  std::vector<WirePeer> peers;
  // The bystander is one of the 256.
  for (int i = 0; i < 255; ++i) peers.push_back(connect_and_greet());
  for (int i = 0; i < 20; ++i) connect().await_end();
  EXPECT_EQ(logged("may have no more"), 1u);
  expect_bystander_served();
  peers.pop_back();
  await("there is room again", [this] {
    try {
      const WirePeer peer = connect_and_greet();
      return true;
    } catch (const std::runtime_error&) {
      return false;
    }
  });
}

TEST_F(AcceptingTest, fault_11_a_flood_of_one_user_is_that_users_alone) {
  SKIP_UNLESS_ROOT();
  let_others_in();
  Child flood(
      [this](Child& test) {
        std::vector<WirePeer> kept;
        for (int i = 0; i < 256; ++i) kept.push_back(connect());
        test.say();
        // Turned away at the door, as fast as it can come.
        for (int i = 0; i < 10'000; ++i) static_cast<void>(WirePeer::can_connect(daemon_.socket_path()));
        test.say();
        test.hear();
        return true;
      },
      kOtherUser);
  flood.hear();
  // The other users' places are theirs, and so are the turns of those who are there.
  for (int i = 0; i < 100; ++i) {
    WirePeer peer = connect_and_greet();
    ASSERT_TRUE(peer.alloc(4096).message.has_granted());
    expect_bystander_served();
  }
  flood.hear();
  EXPECT_EQ(logged("may have no more"), 1u);
  flood.say();
  EXPECT_TRUE(flood.wait());
}

TEST_F(AcceptingTest, fault_10_a_full_fd_table_neither_spins_nor_ends_the_daemon) {
  const rlimit old = fill_fd_table();
  // What the daemon was just about to close makes room for one or two.
  std::vector<WirePeer> waiting;
  await("the daemon notices", [&] {
    waiting.push_back(connect());
    return logged("no connections are accepted for now") == 1;
  });

  // Those who are there are answered, if not with fds.
  EXPECT_EQ(bystander_.alloc(0).message.failure().code(), wire::FAILURE_INVALID_ARGUMENT);
  // One that spins never sleeps, and one that has given up never wakes to sleep again.
  const uint64_t before = sleeps(daemon_.pid());
  await("it sleeps between attempts", [&] { return sleeps(daemon_.pid()) >= before + 5; });

  ASSERT_EQ(::prlimit(daemon_.pid(), RLIMIT_NOFILE, &old, nullptr), 0);
  waiting.back().hello();
  EXPECT_EQ(logged("connections are accepted again"), 1u);
  expect_bystander_served();
}

TEST_F(AcceptingTest, fault_10_those_who_are_there_are_sent_fds_while_others_fill_the_table) {
  rlimit old{};
  ASSERT_EQ(::prlimit(daemon_.pid(), RLIMIT_NOFILE, nullptr, &old), 0);
  const rlimit few{.rlim_cur = static_cast<rlim_t>(daemon_.first_free_fd()) + 40, .rlim_max = old.rlim_max};
  ASSERT_EQ(::prlimit(daemon_.pid(), RLIMIT_NOFILE, &few, nullptr), 0);
  std::vector<WirePeer> crowd;
  for (int i = 0; i < 100; ++i) crowd.push_back(connect());
  await("the daemon accepts no more", [this] { return logged("no connections are accepted for now") == 1; });
  for (int i = 0; i < 20; ++i) expect_bystander_served();
  crowd.clear();
  connect().hello();
  ASSERT_EQ(::prlimit(daemon_.pid(), RLIMIT_NOFILE, &old, nullptr), 0);
}

// It takes the thirty seconds that somebody has: shorter limits have broken boots.
TEST_F(AcceptingTest, fault_12_who_says_nothing_is_disconnected_after_half_a_minute) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<WirePeer> silent;
  for (int i = 0; i < 10; ++i) silent.push_back(connect());
  WirePeer late = connect();
  await_clients(12);
  expect_bystander_served();
  late.hello();
  for (WirePeer& peer : silent) peer.await_end();
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::seconds(29));
  EXPECT_EQ(clients().size(), 2u);
  EXPECT_TRUE(late.alloc(4096).message.has_granted());
}

TEST_F(AcceptingTest, fault_02_a_grant_that_cannot_be_sent_for_want_of_fds_is_retried) {
  // Small enough to stay in the cache for a while.
  constexpr uint64_t kSize = kMiB / 2;
  FromDaemon warm = bystander_.alloc(kSize);
  bystander_.release({warm.message.granted().grants(0).lease_id()});
  warm.fds.clear();
  await("it is ready", [this] { return admin_.stats().ready().bytes() == kSize; });
  const rlimit old = fill_fd_table();
  std::thread later([&] {
    await("it is leased", [this] { return admin_.stats().leased().count() == 1; });
    ::prlimit(daemon_.pid(), RLIMIT_NOFILE, &old, nullptr);
  });
  const FromDaemon answer = bystander_.alloc(kSize);
  later.join();
  ASSERT_TRUE(answer.message.has_granted()) << answer.message.failure().message();
  bystander_.release({grant_of(answer).lease_id()});
}

}  // namespace
}  // namespace panbo
