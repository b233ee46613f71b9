// What libpanbo's users see of a real daemon: memory that is new, used again, waited for, refused.
#include <panbo.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>

#include "tests/integration/panbod_test.h"

namespace panbo {
namespace {

struct Closer {
  void operator()(panbo_client* client) const { panbo_client_close(client); }
};
using Client = std::unique_ptr<panbo_client, Closer>;

uint64_t inode_of(const panbo_bo* bo) {
  struct stat status {};
  ::fstat(panbo_bo_get_fd(bo), &status);
  return status.st_ino;
}

class SharingTest : public PanbodTest {
 protected:
  [[nodiscard]] Client client(const char* name) const {
    const std::string path = daemon_.socket_path();
    panbo_client_options options{};
    options.struct_size = sizeof(options);
    options.socket_path = path.c_str();
    options.name = name;
    options.drm_fd = -1;
    panbo_client* client = nullptr;
    EXPECT_EQ(panbo_client_connect(&options, &client), 0);
    return Client(client);
  }

  static int alloc(const Client& client, uint64_t size, panbo_bo** out, uint32_t flags = 0, int64_t timeout_ns = 0) {
    panbo_alloc_request request{};
    request.struct_size = sizeof(request);
    request.size = size;
    request.flags = flags;
    request.timeout_ns = timeout_ns;
    return panbo_bo_alloc(client.get(), &request, out);
  }

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
  const Client one = client("one");
  const Client two = client("two");
  panbo_bo* bo = nullptr;
  ASSERT_EQ(alloc(one, 100'000, &bo), 0);
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

  ASSERT_EQ(alloc(two, 99'000, &bo), 0);
  EXPECT_EQ(panbo_bo_get_origin(bo), PANBO_ORIGIN_CACHED);
  EXPECT_EQ(inode_of(bo), inode);
  memory = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, panbo_bo_get_fd(bo), 0);
  EXPECT_STREQ(static_cast<const char*>(memory), "seen again");
  ::munmap(memory, 4096);
  panbo_bo_release(bo, 0);
}

TEST_F(SharingTest, ZeroedMemoryWasNeverUsed) {
  const Client one = client("one");
  panbo_bo* bo = nullptr;
  ASSERT_EQ(alloc(one, kMiB, &bo), 0);
  panbo_bo_release(bo, 0);
  await_ready(1);
  ASSERT_EQ(alloc(one, kMiB, &bo, PANBO_BO_ZEROED), 0);
  EXPECT_EQ(panbo_bo_get_origin(bo), PANBO_ORIGIN_FRESH);
  panbo_bo_release(bo, 0);
}

TEST_F(SharingTest, ABusyBoIsNotLentBeforeItsJobEnds) {
  const Client one = client("one");
  panbo_bo* bo = nullptr;
  ASSERT_EQ(alloc(one, kMiB, &bo), 0);
  const uint64_t inode = inode_of(bo);
  start_job(inode);
  panbo_bo_release(bo, 0);
  await("the BO drains", [this] { return admin_.stats().draining().count() == 1; });
  panbo_bo* other = nullptr;
  ASSERT_EQ(alloc(one, kMiB, &other), 0);
  EXPECT_EQ(panbo_bo_get_origin(other), PANBO_ORIGIN_FRESH);
  EXPECT_NE(inode_of(other), inode);
  end_job(inode);
  await_ready(1);
  panbo_bo* again = nullptr;
  ASSERT_EQ(alloc(one, kMiB, &again), 0);
  EXPECT_EQ(inode_of(again), inode);
}

TEST_F(SharingTest, ABoThatSomebodyStillHasIsNotLent) {
  const Client one = client("one");
  panbo_bo* bo = nullptr;
  ASSERT_EQ(alloc(one, kMiB, &bo), 0);
  const uint64_t inode = inode_of(bo);
  UniqueFd kept(::dup(panbo_bo_get_fd(bo)));
  panbo_bo_release(bo, 0);
  await("the BO is held", [this] { return admin_.stats().held().count() == 1; });
  panbo_bo* other = nullptr;
  ASSERT_EQ(alloc(one, kMiB, &other), 0);
  EXPECT_NE(inode_of(other), inode);
  kept.reset();
  await_ready(1);
  panbo_bo* again = nullptr;
  ASSERT_EQ(alloc(one, kMiB, &again), 0);
  EXPECT_EQ(inode_of(again), inode);
}

TEST_F(SharingTest, ARequestThatMayWaitGetsTheBoThatBecomesIdle) {
  const Client one = client("one");
  const Client two = client("two");
  limit_memory(2 * kMiB);
  panbo_bo* bo = nullptr;
  ASSERT_EQ(alloc(one, 2 * kMiB, &bo), 0);
  const uint64_t inode = inode_of(bo);
  start_job(inode);
  panbo_bo_release(bo, 0);
  await("the BO drains", [this] { return admin_.stats().draining().count() == 1; });

  panbo_bo* waited = nullptr;
  EXPECT_EQ(alloc(two, 2 * kMiB, &waited), -ENOMEM);
  std::thread gpu([&] {
    await("the request waits", [this] {
      const auto s = admin_.stats();
      return s.requests() > s.cached() + s.fresh() + s.waited() + s.failed();
    });
    end_job(inode);
  });
  EXPECT_EQ(alloc(two, 2 * kMiB, &waited, 0, 60'000'000'000), 0);
  gpu.join();
  ASSERT_NE(waited, nullptr);
  EXPECT_EQ(panbo_bo_get_origin(waited), PANBO_ORIGIN_WAITED);
  panbo_bo* never = nullptr;
  EXPECT_EQ(alloc(two, kMiB, &never, 0, 1'000'000), -ETIMEDOUT);
  EXPECT_EQ(never, nullptr);
}

TEST_F(SharingTest, TheCacheGivesWayToAnotherClientsRequest) {
  const Client one = client("one");
  const Client two = client("two");
  limit_memory(8 * kMiB);
  std::vector<panbo_bo*> bos(8);
  for (panbo_bo*& bo : bos) ASSERT_EQ(alloc(one, kMiB, &bo), 0);
  for (panbo_bo* bo : bos) panbo_bo_release(bo, 0);
  await_ready(8);
  panbo_bo* large = nullptr;
  ASSERT_EQ(alloc(two, 8 * kMiB, &large), 0);
  EXPECT_EQ(panbo_bo_get_origin(large), PANBO_ORIGIN_FRESH);
  EXPECT_EQ(admin_.stats().evicted().count(), 9u) << "eight, and the one of the beginning";
}

TEST_F(SharingTest, ABatchIsAllOrNothing) {
  const Client one = client("one");
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
  const Client one = client("one");
  panbo_bo* bo = nullptr;
  ASSERT_EQ(alloc(one, kMiB, &bo), 0);
  panbo_bo_release(bo, 0);
  await_ready(1);
  wire::Simulate what;
  what.set_purge(true);
  admin_.simulate(what);
  ASSERT_EQ(alloc(one, kMiB, &bo), 0);
  EXPECT_EQ(panbo_bo_get_origin(bo), PANBO_ORIGIN_FRESH);
  EXPECT_EQ(admin_.stats().purged().count(), 1u);
}

TEST_F(SharingTest, ADaemonThatDiesIsAnError) {
  const Client one = client("one");
  panbo_bo* bo = nullptr;
  ASSERT_EQ(alloc(one, kMiB, &bo), 0);
  daemon_.stop();
  panbo_bo* none = nullptr;
  EXPECT_EQ(alloc(one, kMiB, &none), -ENOTCONN);
  EXPECT_EQ(panbo_bo_get_size(bo), kMiB) << "the BO outlives the daemon";
  EXPECT_EQ(panbo_bo_release(bo, 0), -ENOTCONN);
}

}  // namespace
}  // namespace panbo
