// panbod when the kernel says no: a cgroup's limit, and address space.
#include <algorithm>
#include <filesystem>
#include <set>

#include "tests/board/memory_cgroup.h"
#include "tests/board/panbod_rig.h"
#include "tests/support/panbod_process.h"
#include "tests/support/strace.h"

namespace panbo::test {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

/// A daemon of the test's own, below a memory limit that it does not know of, as it was moved there after its start,
/// and without the headroom that would keep it from ever reaching the limit.
class PanbodInACgroup : public testing::Test {
 protected:
  PanbodInACgroup() { cgroup_.enter(daemon_.pid()); }

  MemoryCgroup cgroup_;
  PanbodProcess daemon_{"panfrost", "[cache]\nheadroom = 0\ndecay = \"1h\"\n[pressure]\nenabled = false\n"};
  WirePeer admin_{daemon_.admin_socket_path()};
};

TEST_F(PanbodInACgroup, fault_20_evicts_its_cache_when_the_kernel_says_enomem_and_the_allocation_succeeds) {
  Client client("client", daemon_.socket_path());
  std::vector<panbo_bo*> bos;
  for (int i = 0; i < 32; ++i) bos.push_back(client.alloc(kMiB));
  for (panbo_bo* bo : bos) client.release(bo);
  await("the cache is full", [this] { return admin_.stats().ready().bytes() == 32 * kMiB; });
  cgroup_.limit(cgroup_.current() + 4 * kMiB);

  // Of another size class.
  Strace trace(daemon_.pid());
  for (int i = 0; i < 40; ++i) client.alloc(kMiB / 2);
  const auto lines = trace.stop();
  const auto refused = std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
    return line.find("ioctl(") != std::string::npos && line.find("ENOMEM") != std::string::npos;
  });
  EXPECT_EQ(refused, 1) << "the kernel said no once, and then everything ready went";
  const wire::Stats stats = admin_.stats();
  EXPECT_EQ(stats.evicted().bytes(), 32 * kMiB);
  EXPECT_EQ(stats.failed(), 0u);
  EXPECT_EQ(stats.leased().bytes(), 20 * kMiB);
  EXPECT_EQ(cgroup_.event("oom_kill"), 0u);
}

TEST_F(PanbodInACgroup, fault_20_fails_with_a_record_when_nothing_is_left_to_give_back) {
  Client client("hoarder", daemon_.socket_path());
  cgroup_.limit(cgroup_.current() + 16 * kMiB);
  panbo_bo* bo = nullptr;
  int got = 0;
  int result = 0;
  while (got < 64 && (result = client.try_alloc(kMiB / 2, &bo)) == 0) ++got;
  EXPECT_EQ(result, -ENOMEM);
  EXPECT_GT(got, 16);
  EXPECT_EQ(cgroup_.event("oom_kill"), 0u);
  await("the log says who holds it",
        [this] { return daemon_.log().find("most is held by client") != std::string::npos; });
  // What is given back can be had again.
  client.release(bo);
  await("it is there again", [&] { return client.try_alloc(kMiB / 2, &bo) == 0; });
}

/// A daemon of the test's own, as it is without any configuration.
class FreshPanbod : public testing::Test {
 protected:
  /// Its open files of the GPU: one for each arena.
  [[nodiscard]] int64_t drm_files() const {
    const std::filesystem::directory_iterator fds("/proc/" + std::to_string(daemon_.pid()) + "/fd");
    return std::count_if(begin(fds), end(fds), [](const auto& fd) {
      // One that was for a moment only may be gone by now.
      std::error_code gone;
      return std::filesystem::read_symlink(fd, gone).string().starts_with("/dev/dri/renderD");
    });
  }

  PanbodProcess daemon_{"panfrost"};
  WirePeer admin_{daemon_.admin_socket_path()};
  Client client_{"client", daemon_.socket_path()};
};

TEST_F(FreshPanbod, fault_20_a_second_arena_takes_over_when_addresses_run_out) {
  EXPECT_EQ(drm_files(), 1);
  // 63 fit into an arena; together they are many times the board's memory.
  for (int i = 0; i < 63; ++i)
    ASSERT_EQ(panbo_bo_get_origin(client_.alloc(64 * kMiB, PANBO_BO_HEAP)), PANBO_ORIGIN_FRESH);
  EXPECT_EQ(drm_files(), 1);
  for (int i = 63; i < 80; ++i)
    ASSERT_EQ(panbo_bo_get_origin(client_.alloc(64 * kMiB, PANBO_BO_HEAP)), PANBO_ORIGIN_FRESH);
  EXPECT_EQ(drm_files(), 2);
  const wire::Stats stats = admin_.stats();
  EXPECT_EQ(stats.leased().bytes(), 80 * 64 * kMiB) << "statistics show sizes";
  EXPECT_EQ(stats.failed(), 0u);
}

TEST_F(FreshPanbod, BosOfBothArenasServeTheNext) {
  for (int i = 0; i < 63; ++i) client_.alloc(64 * kMiB, PANBO_BO_HEAP);
  panbo_bo* in_first = client_.alloc(kMiB);
  client_.alloc(31 * kMiB, PANBO_BO_HEAP);
  panbo_bo* in_second = client_.alloc(2 * kMiB);
  ASSERT_EQ(drm_files(), 2);
  const std::set<uint64_t> inodes = {inode_of(in_first), inode_of(in_second)};
  client_.release(in_first);
  client_.release(in_second);
  await("both are ready", [this] { return admin_.stats().ready().count() == 2; });
  EXPECT_EQ((std::set{inode_of(client_.alloc(kMiB)), inode_of(client_.alloc(2 * kMiB))}), inodes);
}

TEST_F(FreshPanbod, HeapsStopAtTheClientsQuotaOfAddresses) {
  int heaps = 0;
  int result = 0;
  for (panbo_bo* bo = nullptr; (result = client_.try_alloc(1024 * kMiB, &bo, PANBO_BO_HEAP)) == 0;) ++heaps;
  EXPECT_EQ(result, -EDQUOT);
  EXPECT_EQ(heaps, 15) << "a quarter of 16 arenas of 4064 MiB";
  await("the log says what is lacking",
        [this] { return daemon_.log().find("over the quota of client") != std::string::npos; });
  EXPECT_NE(daemon_.log().find(": GPU addresses"), std::string::npos);
}

TEST_F(FreshPanbod, AnExecutableBoThatFitsNowhereByItsAlignmentGetsAnotherArena) {
  std::vector<panbo_bo*> heaps;
  for (int i = 0; i < 63; ++i) heaps.push_back(client_.alloc(64 * kMiB, PANBO_BO_HEAP));
  // The hole is large enough, but begins 32 MiB beside a multiple of its size.
  client_.release(heaps[10]);
  EXPECT_EQ(panbo_bo_get_origin(client_.alloc(64 * kMiB, PANBO_BO_EXECUTABLE)), PANBO_ORIGIN_FRESH);
  EXPECT_EQ(drm_files(), 2);
}

TEST_F(FreshPanbod, AnExecutableBoIsRoundedLikeAnyOther) {
  EXPECT_EQ(panbo_bo_get_size(client_.alloc(1, PANBO_BO_EXECUTABLE)), 4096u);
  EXPECT_EQ(panbo_bo_get_size(client_.alloc(kMiB + 1, PANBO_BO_EXECUTABLE)), kMiB + kMiB / 16);
}

}  // namespace
}  // namespace panbo::test
