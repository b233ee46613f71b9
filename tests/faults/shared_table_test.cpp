// The lease table is the client's: nonsense in it costs the client its own leases at most.
#include <fcntl.h>
#include <linux/falloc.h>

#include <atomic>
#include <random>
#include <thread>

#include "tests/faults/faults_test.h"
#include "tests/support/client_table.h"

namespace panbo {
namespace {

using SharedTableFaultsTest = FaultsTest;

TEST_F(SharedTableFaultsTest, fault_19_a_table_full_of_noise_disturbs_nobody) {
  WirePeer peer = connect();
  const ClientTable table = peer.hello_with_table();
  WirePeer good = connect();
  const ClientTable good_table = good.hello_with_table();
  const wire::Grant in_use = grant_of(good.alloc(kMiB));
  std::atomic<bool> end = false;
  std::thread noise([&] {
    std::mt19937 random(1);
    while (!end) table.word(random() % kLeaseTableWords) = static_cast<uint32_t>(random());
  });
  std::vector<uint64_t> leases;
  for (int i = 0; i < 300 && !HasFailure(); ++i) {
    const FromDaemon granted = peer.alloc(4096);
    EXPECT_TRUE(granted.message.has_granted());
    if (HasFailure()) break;
    leases.push_back(granted.message.granted().grants(0).lease_id());
    peer.send_leases_unused();
    if (i % 10 == 0) admin_.evict_all();
    if (i % 3 == 0) {
      peer.release({leases.front()});
      leases.erase(leases.begin());
    }
    const wire::Stats stats = admin_.stats();
    EXPECT_LE(stats.local().count(), stats.leased().count());
    expect_bystander_served();
  }
  end = true;
  noise.join();
  EXPECT_FALSE(good_table.taken(in_use.slot()));
}

// From a process of its own: whole states of the table at once, holes, and its size.
TEST_F(SharedTableFaultsTest, fault_19_a_table_that_is_overwritten_punched_and_resized_disturbs_nobody) {
  Child hostile([this](Child& test) {
    WirePeer peer = connect();
    const ClientTable table = peer.hello_with_table();
    std::mt19937 random(2);
    for (int i = 0; i < 200; ++i) {
      const FromDaemon granted = peer.alloc(4096);
      if (!granted.message.has_granted()) return false;
      const uint32_t same = static_cast<uint32_t>(random()) & ~3u;
      for (uint32_t slot = 0; slot < kLeaseTableWords; ++slot) {
        table.word(slot) = i % 2 == 0 ? static_cast<uint32_t>(random()) : same | static_cast<uint32_t>(i % 3);
      }
      peer.send_leases_unused();
      if (i % 5 == 0) ::fallocate(table.memory(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 << 14);
      // A shorter one would end the daemon by SIGBUS.
      if (::ftruncate(table.memory(), 0) == 0 || ::fcntl(table.memory(), F_ADD_SEALS, F_SEAL_WRITE) == 0) return false;
    }
    test.say();
    test.hear();
    return true;
  });
  hostile.hear();
  for (int i = 0; i < 20; ++i) {
    admin_.evict_all();
    expect_bystander_served();
  }
  EXPECT_EQ(admin_.stats().leased().count(), 200u) << "what is not released stays its client's";
  hostile.say();
  EXPECT_TRUE(hostile.wait());
}

TEST_F(SharedTableFaultsTest, fault_04_what_was_taken_is_given_back_once_late_or_never_and_by_nobody_else) {
  WirePeer peer = connect();
  const ClientTable table = peer.hello_with_table();
  std::vector<wire::Grant> unused;
  for (int i = 0; i < 3; ++i) unused.push_back(grant_of(peer.alloc(kMiB)));
  for (const wire::Grant& grant : unused) {
    if (table.free(grant.slot())) peer.send_leases_unused();
  }
  await("all are unused", [this] { return admin_.stats().local().count() == 3; });
  EXPECT_EQ(admin_.evict_all().asked_back().count(), 3u);
  table.await_bell();
  const auto release = [](WirePeer& by, const wire::Grant& grant) {
    wire::Envelope message;
    message.mutable_release()->add_lease_ids(grant.lease_id());
    return code_of(by.ask(message));
  };
  // Another's.
  WirePeer other = connect_and_greet("other");
  EXPECT_EQ(release(other, unused[0]), wire::FAILURE_UNKNOWN_LEASE);
  EXPECT_EQ(admin_.stats().taken().count(), 3u);
  // Twice.
  peer.release({unused[0].lease_id()});
  EXPECT_EQ(release(peer, unused[0]), wire::FAILURE_UNKNOWN_LEASE);
  EXPECT_EQ(admin_.stats().taken().count(), 2u);
  // Late: it counts on as the client's until then.
  await("the daemon says that it is late", [this] { return logged("has not given back 2 unused BOs") == 1; });
  EXPECT_EQ(admin_.stats().leased().count(), 2u);
  peer.release({unused[1].lease_id()});
  await_leased(1);
  // Never, but for the end of the connection, which TearDown waits for.
}

}  // namespace
}  // namespace panbo
