// What libpanbo's users see of a real daemon: memory that is new, used again, waited for, refused.
#include <panbo.h>
#include <sys/mman.h>

#include <cstring>
#include <thread>

#include "tests/integration/panbod_test.h"
#include "tests/support/client.h"

namespace panbo {
namespace {

using test::Client;
using test::inode_of;

class SharingTest : public PanbodTest {
 protected:
  [[nodiscard]] Client client(const char* name) const { return Client(name, daemon_.socket_path()); }

  void await_ready(uint64_t count) {
    await("BOs are ready", [&] { return admin_.stats().ready().count() == count; });
  }

  void start_job(uint64_t inode) {
    wire::Simulate what;
    what.mutable_job()->set_inode(inode);
    ASSERT_TRUE(admin_.simulate(what).has_simulated());
  }
  void end_job(uint64_t inode) {
    wire::Simulate what;
    what.mutable_job()->set_inode(inode);
    what.mutable_job()->set_end(true);
    ASSERT_TRUE(admin_.simulate(what).has_simulated());
  }
  void limit_memory(uint64_t bytes) {
    wire::Simulate what;
    what.set_memory_limit(bytes);
    ASSERT_TRUE(admin_.simulate(what).has_simulated());
  }
  void SetUp() override {
    await_ready(1);
    admin_.evict_all();
  }
};

TEST_F(SharingTest, AReleasedBoGoesToTheNextClientWithWhatIsInIt) {
  Client one = client("one");
  Client two = client("two");
  panbo_bo* bo = one.alloc(100'000);
  EXPECT_EQ(panbo_bo_get_origin(bo), PANBO_ORIGIN_FRESH);
  EXPECT_GE(panbo_bo_get_size(bo), 100'000u);
  const uint64_t inode = inode_of(bo);
  void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, panbo_bo_get_fd(bo), 0);
  ASSERT_NE(memory, MAP_FAILED);
  EXPECT_EQ(*static_cast<const char*>(memory), 0) << "fresh memory reads as zero";
  std::strcpy(static_cast<char*>(memory), "seen again");
  ::munmap(memory, 4096);
  EXPECT_EQ(panbo_bo_release(bo, 0), 0);
  await_ready(1);

  bo = two.alloc(99'000);
  EXPECT_EQ(panbo_bo_get_origin(bo), PANBO_ORIGIN_CACHED);
  EXPECT_EQ(inode_of(bo), inode);
  memory = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, panbo_bo_get_fd(bo), 0);
  EXPECT_STREQ(static_cast<const char*>(memory), "seen again");
  ::munmap(memory, 4096);
  panbo_bo_release(bo, 0);
}

TEST_F(SharingTest, ZeroedMemoryWasNeverUsed) {
  Client one = client("one");
  panbo_bo* bo = one.alloc(kMiB);
  panbo_bo_release(bo, 0);
  await_ready(1);
  bo = one.alloc(kMiB, PANBO_BO_ZEROED);
  EXPECT_EQ(panbo_bo_get_origin(bo), PANBO_ORIGIN_FRESH);
  panbo_bo_release(bo, 0);
}

TEST_F(SharingTest, ABusyBoIsNotLentBeforeItsJobEnds) {
  Client one = client("one");
  panbo_bo* bo = one.alloc(kMiB);
  const uint64_t inode = inode_of(bo);
  start_job(inode);
  panbo_bo_release(bo, 0);
  await("the BO drains", [this] { return admin_.stats().draining().count() == 1; });
  panbo_bo* other = one.alloc(kMiB);
  EXPECT_EQ(panbo_bo_get_origin(other), PANBO_ORIGIN_FRESH);
  EXPECT_NE(inode_of(other), inode);
  end_job(inode);
  await_ready(1);
  panbo_bo* again = one.alloc(kMiB);
  EXPECT_EQ(inode_of(again), inode);
}

TEST_F(SharingTest, ABoThatSomebodyStillHasIsNotLent) {
  Client one = client("one");
  panbo_bo* bo = one.alloc(kMiB);
  const uint64_t inode = inode_of(bo);
  UniqueFd kept(::dup(panbo_bo_get_fd(bo)));
  panbo_bo_release(bo, 0);
  await("the BO is held", [this] { return admin_.stats().held().count() == 1; });
  panbo_bo* other = one.alloc(kMiB);
  EXPECT_NE(inode_of(other), inode);
  kept.reset();
  await_ready(1);
  panbo_bo* again = one.alloc(kMiB);
  EXPECT_EQ(inode_of(again), inode);
}

TEST_F(SharingTest, ARequestThatMayWaitGetsTheBoThatBecomesIdle) {
  // Small enough to be made at once, and not by the worker: a request that is under way then waits for memory.
  constexpr uint64_t kSmall = kMiB / 8;
  Client one = client("one");
  Client two = client("two");
  limit_memory(kSmall);
  panbo_bo* bo = one.alloc(kSmall);
  const uint64_t inode = inode_of(bo);
  start_job(inode);
  panbo_bo_release(bo, 0);
  await("the BO drains", [this] { return admin_.stats().draining().count() == 1; });

  panbo_bo* waited = nullptr;
  EXPECT_EQ(two.try_alloc(kSmall, &waited), -ENOMEM);
  std::thread gpu([&] {
    await("the request waits", [this] {
      const auto s = admin_.stats();
      return s.requests() > s.cached() + s.fresh() + s.waited() + s.failed();
    });
    end_job(inode);
  });
  EXPECT_EQ(two.try_alloc(kSmall, &waited, 0, 60'000'000'000), 0);
  gpu.join();
  ASSERT_NE(waited, nullptr);
  EXPECT_EQ(panbo_bo_get_origin(waited), PANBO_ORIGIN_WAITED);
  panbo_bo* never = nullptr;
  EXPECT_EQ(two.try_alloc(kSmall, &never, 0, 1'000'000), -ETIMEDOUT);
  EXPECT_EQ(never, nullptr);
}

TEST_F(SharingTest, TheCacheGivesWayToAnotherClientsRequest) {
  Client one = client("one");
  Client two = client("two");
  limit_memory(8 * kMiB);
  std::vector<panbo_bo*> bos(8);
  for (panbo_bo*& bo : bos) bo = one.alloc(kMiB);
  for (panbo_bo* bo : bos) panbo_bo_release(bo, 0);
  await_ready(8);
  panbo_bo* large = two.alloc(8 * kMiB);
  EXPECT_EQ(panbo_bo_get_origin(large), PANBO_ORIGIN_FRESH);
  EXPECT_EQ(admin_.stats().evicted().count(), 9u) << "eight, and the one of the beginning";
}

TEST_F(SharingTest, ABatchIsAllOrNothing) {
  Client one = client("one");
  limit_memory(4 * kMiB);
  std::vector<panbo_alloc_request> requests(5);
  for (auto& request : requests) {
    request.struct_size = sizeof(request);
    request.size = kMiB;
  }
  std::vector<panbo_bo*> bos(5, nullptr);
  EXPECT_EQ(panbo_bo_alloc_batch(one.get(), requests.data(), 5, bos.data()), -ENOMEM);
  EXPECT_EQ(bos, std::vector<panbo_bo*>(5, nullptr));
  EXPECT_EQ(admin_.stats().leased().count(), 0u);
  EXPECT_EQ(panbo_bo_alloc_batch(one.get(), requests.data(), 4, bos.data()), 0);
  EXPECT_EQ(admin_.stats().leased().count(), 4u);
}

TEST_F(SharingTest, TheKernelsPurgeIsNoticedBeforeTheBoIsLent) {
  Client one = client("one");
  panbo_bo* bo = one.alloc(kMiB);
  panbo_bo_release(bo, 0);
  await_ready(1);
  wire::Simulate what;
  what.set_purge(true);
  admin_.simulate(what);
  bo = one.alloc(kMiB);
  EXPECT_EQ(panbo_bo_get_origin(bo), PANBO_ORIGIN_FRESH);
  EXPECT_EQ(admin_.stats().purged().count(), 1u);
}

TEST_F(SharingTest, ADaemonThatDiesIsAnError) {
  Client one = client("one");
  panbo_bo* bo = one.alloc(kMiB);
  daemon_.stop();
  panbo_bo* none = nullptr;
  EXPECT_EQ(one.try_alloc(kMiB, &none), -ENOTCONN);
  EXPECT_EQ(panbo_bo_get_size(bo), kMiB) << "the BO outlives the daemon";
  EXPECT_EQ(panbo_bo_release(bo, 0), 0) << "there is nobody to tell";
}

}  // namespace
}  // namespace panbo
