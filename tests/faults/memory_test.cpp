// Memory and GPU addresses that run out, at every step of the ladder, and BOs that do not come back.
#include <sys/mman.h>

#include <cerrno>
#include <thread>

#include "tests/faults/faults_test.h"

namespace panbo {
namespace {

// Small enough to be made by the event loop, and to stay in the cache for a while.
constexpr uint64_t kSmall = kMiB / 4;

class MemoryTest : public FaultsTest {
 protected:
  /// Leaves one ready BO of this size.
  void make_ready(WirePeer& peer, uint64_t size) {
    const uint64_t ready = admin_.stats().ready().count();
    give_back(peer, peer.alloc(size));
    await_ready(ready + 1);
  }
  static void give_back(WirePeer& peer, FromDaemon answer) {
    const uint64_t lease = grant_of(answer).lease_id();
    answer.fds.clear();
    peer.release({lease});
  }
};

TEST_F(MemoryTest, fault_20_enomem_evicts_what_is_ready_and_the_kernel_is_asked_once_more) {
  WirePeer peer = connect_and_greet();
  make_ready(peer, kSmall);
  for (const uint64_t size : {kSmall / 2, 4 * kMiB}) {
    fail_next("create", ENOMEM, 1);
    FromDaemon answer = peer.alloc(size);
    EXPECT_EQ(grant_of(answer).origin(), wire::ORIGIN_FRESH);
    EXPECT_EQ(admin_.stats().ready().count(), 0u);
    give_back(peer, std::move(answer));
  }
}

TEST_F(MemoryTest, fault_20_enomem_again_is_an_error_and_the_next_one_is_served) {
  WirePeer peer = connect_and_greet();
  for (const uint64_t size : {kSmall, 4 * kMiB}) {
    fail_next("create", ENOMEM, UINT32_MAX);
    EXPECT_EQ(code_of(peer.alloc(size)), wire::FAILURE_OUT_OF_MEMORY) << size;
    EXPECT_EQ(admin_.stats().leased().count(), 0u);
    fail_next("create", ENOMEM, 0);
    give_back(peer, peer.alloc(size));
  }
}

TEST_F(MemoryTest, fault_20_who_may_wait_after_enomem_gets_what_becomes_idle) {
  WirePeer peer = connect_and_greet();
  FromDaemon busy = peer.alloc(kSmall);
  const uint64_t inode = grant_of(busy).inode();
  start_job(inode);
  give_back(peer, std::move(busy));
  await("it drains", [this] { return admin_.stats().draining().count() == 1; });
  limit_memory(kSmall);
  wire::Envelope message = batch_of(1, kSmall);
  message.set_request_id(5);
  message.mutable_alloc()->set_timeout_ns(3600'000'000'000);
  peer.send(message);
  await("the request waits", [this] {
    const wire::Stats stats = admin_.stats();
    return stats.requests() > stats.cached() + stats.fresh() + stats.waited() + stats.failed();
  });
  end_job(inode);
  // That BO itself, or one made of its memory, if the request was just about to ask the kernel once more.
  FromDaemon answer = peer.receive();
  ASSERT_TRUE(answer.message.has_granted()) << answer.message.failure().message();
  give_back(peer, std::move(answer));
}

TEST_F(MemoryTest, fault_20_enomem_of_any_other_call_costs_the_bo_at_most) {
  WirePeer peer = connect_and_greet();
  for (const char* call : {"unevictable", "watch", "evictable", "export"}) {
    make_ready(peer, kSmall);
    fail_next(call, ENOMEM, 1);
    FromDaemon answer = peer.alloc(kSmall);
    ASSERT_TRUE(answer.message.has_granted()) << call << ": " << answer.message.failure().message();
    give_back(peer, std::move(answer));
    await_leased(0);
    expect_nothing_leaked();
  }
}

TEST_F(MemoryTest, fault_20_enospc_opens_another_arena) {
  WirePeer peer = connect_and_greet();
  // Of the 4 GiB of an arena. A heap has addresses, and hardly any memory.
  constexpr uint64_t kMostOfAnArena = uint64_t{5} << 29;
  std::vector<FromDaemon> heaps;
  for (int i = 0; i < 3; ++i) {
    heaps.push_back(peer.alloc(kMostOfAnArena, wire::ALLOC_FLAG_HEAP));
    EXPECT_TRUE(heaps.back().message.has_granted()) << heaps.back().message.failure().message();
  }
  // As an error that comes from nowhere as well.
  fail_next("create", ENOSPC, 1);
  EXPECT_TRUE(peer.alloc(kSmall).message.has_granted());
}

TEST_F(MemoryTest, fault_20_enospc_and_enomem_at_once_is_an_error_and_the_next_one_is_served) {
  WirePeer peer = connect_and_greet();
  constexpr uint64_t kMostOfAnArena = (uint64_t{4} << 30) - (uint64_t{34} << 20);
  const FromDaemon heap = peer.alloc(kMostOfAnArena, wire::ALLOC_FLAG_HEAP);
  ASSERT_TRUE(heap.message.has_granted()) << heap.message.failure().message();
  make_ready(peer, kSmall);
  limit_memory(kMiB);
  // The first arena has no addresses for it, and no other one has the memory.
  EXPECT_EQ(code_of(peer.alloc(4 * kMiB)), wire::FAILURE_OUT_OF_MEMORY);
  EXPECT_EQ(admin_.stats().leased().count(), 1u);
  limit_memory(0);
  give_back(peer, peer.alloc(4 * kMiB));
}

TEST_F(MemoryTest, fault_21_a_bo_that_never_becomes_idle_costs_whoever_released_it_and_nobody_else) {
  uint64_t inode = 0;
  {
    WirePeer peer = connect_and_greet();
    const FromDaemon busy = peer.alloc(kSmall);
    inode = grant_of(busy).inode();
    start_job(inode);
  }
  await("it drains", [this] { return admin_.stats().draining().count() == 1; });
  // All of the quota but that one.
  {
    WirePeer rest = connect_and_greet();
    for (uint64_t n = 64; n < kQuotaOfBos; n += 64) ASSERT_TRUE(rest.ask(batch_of(64, 4096)).message.has_granted());
    EXPECT_EQ(code_of(rest.ask(batch_of(64, 4096))), wire::FAILURE_OVER_QUOTA);
    EXPECT_TRUE(rest.ask(batch_of(63, 4096)).message.has_granted());
  }
  await_leased(0);
  expect_bystander_served();
  admin_.evict_all();
  EXPECT_EQ(admin_.stats().draining().count(), 1u);
  end_job(inode);
}

TEST(BoThatNeverBecomesIdle, fault_21_does_not_keep_the_daemon_from_ending) {
  PanbodProcess daemon;
  WirePeer admin(daemon.admin_socket_path());
  WirePeer peer(daemon.socket_path());
  peer.hello();
  const FromDaemon busy = peer.alloc(kSmall);
  wire::Simulate job;
  job.mutable_job()->set_inode(grant_of(busy).inode());
  ASSERT_TRUE(admin.simulate(job).has_simulated());
  peer.release({grant_of(busy).lease_id()});
  await("it drains", [&] { return admin.stats().draining().count() == 1; });
  EXPECT_EQ(daemon.stop(), 0);
}

TEST_F(MemoryTest, fault_21_what_a_client_keeps_after_the_release_is_lent_to_nobody) {
  WirePeer peer = connect_and_greet();
  FromDaemon by_fd = peer.alloc(kSmall);
  FromDaemon by_mapping = peer.alloc(kSmall);
  FromDaemon by_another_process = peer.alloc(kSmall);
  void* mapping = ::mmap(nullptr, kSmall, PROT_READ | PROT_WRITE, MAP_SHARED, by_mapping.fds[0].get(), 0);
  ASSERT_NE(mapping, MAP_FAILED);
  by_mapping.fds.clear();
  Child other([](Child& test) {
    test.hear();
    return true;
  });
  by_another_process.fds.clear();
  // What that process has inherited keeps all three.
  for (const FromDaemon* kept : {&by_fd, &by_mapping, &by_another_process}) {
    peer.release({grant_of(*kept).lease_id()});
  }
  await("all are held", [this] { return admin_.stats().held().count() == 3; });
  EXPECT_EQ(grant_of(peer.alloc(kSmall)).origin(), wire::ORIGIN_FRESH);
  other.say();
  EXPECT_TRUE(other.wait());
  await("two are held", [this] { return admin_.stats().held().count() == 2; });
  ::munmap(mapping, kSmall);
  await("one is held", [this] { return admin_.stats().held().count() == 1; });
  by_fd.fds.clear();
  await("none is held", [this] { return admin_.stats().held().count() == 0; });
}

/// Allocates and gives back; what cannot be had is refused with these codes.
void storm(WirePeer peer, unsigned seed) {
  for (unsigned i = 0; i < 300; ++i) {
    wire::Envelope message = batch_of(1 + (seed + i) % 5, 4096 << ((seed * 7 + i) % 10));
    // Every other one waits a little.
    message.mutable_alloc()->set_timeout_ns(i % 2 * 3'000'000);
    const FromDaemon answer = peer.ask(message);
    std::vector<uint64_t> leases;
    for (const wire::Grant& grant : answer.message.granted().grants()) leases.push_back(grant.lease_id());
    if (!leases.empty()) {
      peer.release(leases);
      continue;
    }
    const wire::FailureCode code = code_of(answer);
    if (code != wire::FAILURE_OUT_OF_MEMORY && code != wire::FAILURE_TIMED_OUT) {
      throw std::runtime_error("refused for another reason: " + answer.message.failure().message());
    }
  }
}

TEST_F(MemoryTest, fault_22_memory_that_comes_and_goes_in_a_storm_of_allocations) {
  std::atomic<int> storms = 4;
  std::vector<std::thread> clients;
  for (unsigned seed = 0; seed < 4; ++seed) {
    clients.emplace_back([&, seed] {
      try {
        storm(connect_and_greet("storm"), seed);
      } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
      }
      --storms;
    });
  }
  // What pressure does, and what it comes from.
  for (unsigned i = 0; storms > 0; ++i) {
    limit_memory(i % 3 == 0 ? kMiB : (i % 3) * 8 * kMiB);
    if (i % 4 == 0) admin_.evict_all();
    if (i % 5 == 0) {
      wire::Simulate purge;
      purge.set_purge(true);
      admin_.simulate(purge);
    }
  }
  for (std::thread& client : clients) client.join();
}

}  // namespace
}  // namespace panbo
