// What the daemon takes back is let go, by the library's thread or by the program's loop. The fake daemon's leases are
// numbered from 101.

#include "client/lib/keeper.h"

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/fds.h"
#include "tests/unit/client/client_rig.h"

namespace panbo::test {
namespace {

/// The library's threads in this process.
std::vector<std::filesystem::path> threads() {
  std::vector<std::filesystem::path> found;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    if (name == "panbo") found.push_back(task.path());
  }
  return found;
}

std::atomic<int> drops;
void count_drop(panbo_bo*, void*) {
  ++drops;
}

class KeeperTest : public ClientRig {
 protected:
  KeeperTest() {
    daemon_.lend_tables();
    drops = 0;
    await_no_thread();
  }

  // One that has been joined, in the test before, is still listed for a moment.
  static void await_no_thread() {
    while (!threads().empty()) std::this_thread::yield();
  }

  void take_back(uint64_t lease) {
    ASSERT_TRUE(daemon_.table()->take(lease));
    daemon_.table()->ring();
  }
};

TEST_F(KeeperTest, WhatIsTakenIsDroppedAndThenGivenBack) {
  connect(settings(0, count_drop));
  panbo_bo* bo = alloc();
  alloc();
  void* memory = nullptr;
  ASSERT_EQ(panbo_bo_map(bo, &memory), 0);
  release(bo);
  size_t open_then = 0;
  daemon_.follow([&](FakeDaemon::Peer&, const wire::Envelope& request) {
    if (request.has_release()) open_then = kernel_.open().size();
    return false;
  });
  take_back(101);
  EXPECT_TRUE(released({101}));
  // The script has run when its thread has ended.
  daemon_.stop();
  EXPECT_EQ(open_then, 1u);
  EXPECT_EQ(drops, 1);
  EXPECT_EQ(stats().kept_count, 0u);
}

TEST_F(KeeperTest, WhatIsNotTakenStays) {
  connect(settings());
  panbo_bo* bos[2] = {alloc(), alloc()};
  for (panbo_bo* bo : bos) release(bo);
  take_back(101);
  ASSERT_TRUE(released({101}));
  EXPECT_EQ(alloc(), bos[1]);
}

TEST_F(KeeperTest, ManyAreGivenBackInFewPackets) {
  connect(settings());
  std::vector<panbo_bo*> bos(limits::kMaxReleases + 1);
  for (panbo_bo*& bo : bos) bo = alloc();
  for (panbo_bo* bo : bos) release(bo);
  ASSERT_EQ(daemon_.table()->take_all(), bos.size());
  daemon_.table()->ring();
  ASSERT_TRUE(daemon_.becomes([&](const FakeDaemon::Seen& seen) { return seen.released.size() == bos.size(); }));
  int packets = 0;
  for (const wire::Envelope& request : daemon_.seen().requests) packets += request.has_release();
  EXPECT_EQ(packets, 2);
}

TEST_F(KeeperTest, AnAllocationThatFindsItsLeaseTakenAsksTheDaemon) {
  connect(settings());
  panbo_bo* bo = alloc();
  release(bo);
  ASSERT_TRUE(daemon_.table()->take(101));
  EXPECT_NE(alloc(), bo);
  EXPECT_EQ(asked(), 2);
  EXPECT_TRUE(daemon_.seen().released.empty());
  daemon_.table()->ring();
  EXPECT_TRUE(released({101}));
}

TEST_F(KeeperTest, ThereIsAThreadOnlyWhenSomethingIsKept) {
  connect(settings());
  panbo_bo* bo = alloc();
  EXPECT_EQ(threads().size(), 0u);
  release(bo);
  EXPECT_EQ(threads().size(), 1u);
  release(alloc());
  EXPECT_EQ(threads().size(), 1u);
  close();
  await_no_thread();
}

TEST_F(KeeperTest, ItsThreadLeavesSignalsAlone) {
  connect(settings());
  release(alloc());
  ASSERT_EQ(threads().size(), 1u);
  std::ifstream status(threads().front() / "status");
  uint64_t blocked = 0;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("SigBlk:")) blocked = std::stoull(line.substr(7), nullptr, 16);
  }
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1, SIGCHLD}) EXPECT_TRUE((blocked >> (signal - 1)) & 1);
}

TEST_F(KeeperTest, WithoutAThreadTheProgramsLoopDoesIt) {
  connect(settings(PANBO_CLIENT_NO_THREAD, count_drop));
  release(alloc());
  EXPECT_TRUE(threads().empty());
  EXPECT_FALSE(is_readable(panbo_client_get_fd(client_)));
  take_back(101);
  EXPECT_TRUE(becomes_readable(panbo_client_get_fd(client_)));
  EXPECT_EQ(drops, 0);
  EXPECT_EQ(panbo_client_dispatch(client_, 0), 1);
  EXPECT_EQ(drops, 1);
  EXPECT_TRUE(released({101}));
  EXPECT_FALSE(is_readable(panbo_client_get_fd(client_)));
  EXPECT_EQ(panbo_client_dispatch(client_, 0), 0);
}

TEST_F(KeeperTest, ADispatchThatWaitsHearsTheBell) {
  connect(settings(PANBO_CLIENT_NO_THREAD));
  release(alloc());
  std::thread loop([&] { EXPECT_EQ(panbo_client_dispatch(client_, -1), 1); });
  take_back(101);
  loop.join();
  EXPECT_TRUE(released({101}));
}

TEST_F(KeeperTest, WhenTheDaemonIsGoneNothingIsKept) {
  connect(settings(0, count_drop));
  panbo_bo* used = alloc();
  release(alloc());
  daemon_.stop();
  while (drops == 0) std::this_thread::yield();
  EXPECT_EQ(stats().kept_count, 0u);
  EXPECT_EQ(kernel_.open(), std::vector{handle_of(used)});
  release(used);
  EXPECT_EQ(drops, 2);
  EXPECT_TRUE(kernel_.open().empty());
}

// Threads that allocate and release, and a daemon that takes back whatever it can: no BO is in two hands.
TEST_F(KeeperTest, ABoHasOneUserAtATime) {
  constexpr int kThreads = 3;
  constexpr int kRounds = 3000;
  daemon_.lend_tables(16);
  connect(settings());
  std::atomic<int> running = kThreads;
  std::vector<std::thread> users;
  users.reserve(kThreads);
  for (int user = 1; user <= kThreads; ++user) {
    users.emplace_back([&, user] {
      for (int round = 0; round < kRounds; ++round) {
        panbo_bo* bo = alloc(4096u << (round % 2));
        void* memory = nullptr;
        ASSERT_EQ(panbo_bo_map(bo, &memory), 0);
        auto& owner = *static_cast<std::atomic<int>*>(memory);
        EXPECT_EQ(owner.exchange(user), 0);
        EXPECT_EQ(owner.exchange(0), user);
        release(bo, round % 3 == 0 ? 0 : PANBO_RELEASE_IDLE);
      }
      --running;
    });
  }
  // The table has room for so many leases that were ever lent.
  size_t taken = 0;
  while (running > 0) {
    if (taken < 1000) taken += daemon_.table()->take_all();
    daemon_.table()->ring();
    std::this_thread::yield();
  }
  for (std::thread& user : users) user.join();
  EXPECT_EQ(stats().leased_count, 0u);
  daemon_.table()->take_all();
  daemon_.table()->ring();
  while (stats().kept_count > 0) std::this_thread::yield();
  close();
  EXPECT_TRUE(kernel_.open().empty());
}

}  // namespace
}  // namespace panbo::test
