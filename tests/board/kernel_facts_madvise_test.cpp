// What the design takes for granted about madvise and the kernel's shrinker.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <vector>

#include "daemon/device/idle_watch.h"
#include "tests/board/board_state.h"
#include "tests/board/gpu_file.h"

namespace panbo::test {
namespace {

using namespace std::chrono_literals;

constexpr uint32_t kMiB = 1 << 20;

TEST(Madvise, DontNeedIsRefusedWhileAnotherDrmFileHasTheBo) {
  GpuFile ours;
  GpuFile theirs;
  const uint32_t bo = *ours.create(4096);
  const uint32_t handle = theirs.import(ours.export_bo(bo).get());
  const auto refused = ours.madvise(bo, uapi::kDontNeed);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), Errno{EINVAL});
  theirs.close(handle);
  EXPECT_TRUE(ours.madvise(bo, uapi::kDontNeed));
}

TEST(Madvise, DontNeedIsAcceptedWhileTheBoIsBusy) {
  GpuFile ours;
  const uint32_t bo = *ours.create(4096);
  ours.submit(bo);
  const auto retained = ours.madvise(bo, uapi::kDontNeed);
  EXPECT_EQ(ours.wait(bo, 0).error(), Errno{EBUSY});
  ASSERT_TRUE(retained);
  EXPECT_TRUE(*retained);
  EXPECT_TRUE(ours.wait(bo, monotonic_ns(30s)));
}

TEST(Madvise, DontNeedIsAcceptedWhileAFormerUserHasAMapping) {
  GpuFile ours;
  GpuFile theirs;
  const uint32_t bo = *ours.create(4096);
  const uint32_t handle = theirs.import(ours.export_bo(bo).get());
  const auto mapping = theirs.map(handle, 4096);
  ASSERT_TRUE(mapping);
  theirs.close(handle);
  EXPECT_TRUE(ours.madvise(bo, uapi::kDontNeed));
  ::munmap(mapping->data(), mapping->size());
}

TEST(Madvise, LendingABoThatIsStillDontNeedMakesTheKernelWarn) {
  GpuFile ours;
  GpuFile theirs;
  KernelLog log;
  const uint32_t bo = *ours.create(4096);
  ASSERT_TRUE(ours.madvise(bo, uapi::kDontNeed));
  const UniqueFd dma_buf = ours.export_bo(bo);
  theirs.close(theirs.import(dma_buf.get()));
  EXPECT_TRUE(log.has("WARNING"));
}

TEST(Madvise, LendingABoThatIsWillNeedAgainIsNoReasonToWarn) {
  GpuFile ours;
  GpuFile theirs;
  KernelLog log;
  const uint32_t bo = *ours.create(4096);
  ASSERT_TRUE(ours.madvise(bo, uapi::kDontNeed));
  ASSERT_TRUE(*ours.madvise(bo, uapi::kWillNeed));
  const UniqueFd dma_buf = ours.export_bo(bo);
  theirs.close(theirs.import(dma_buf.get()));
  EXPECT_FALSE(log.has("WARNING"));
}

/// BOs that are all DONTNEED.
class Shrinker : public testing::Test {
 protected:
  static constexpr int kBos = 100;

  std::vector<uint32_t> make() {
    std::vector<uint32_t> bos(kBos);
    for (uint32_t& bo : bos) bo = *gpu.create(kMiB);
    return bos;
  }
  void let_go(const std::vector<uint32_t>& bos) {
    for (const uint32_t bo : bos) ASSERT_TRUE(*gpu.madvise(bo, uapi::kDontNeed));
  }
  /// How many of them still have their pages.
  int64_t retained(const std::vector<uint32_t>& bos) {
    return std::ranges::count_if(bos, [this](uint32_t bo) { return *gpu.madvise(bo, uapi::kWillNeed); });
  }

  GpuFile gpu;
};

TEST_F(Shrinker, TakesEveryBoThatWasNeverExportedAndNoneThatWas) {
  const auto exported = make();
  const auto never_exported = make();
  for (const uint32_t bo : exported) gpu.export_bo(bo).reset();
  let_go(exported);
  let_go(never_exported);
  drop_caches();
  EXPECT_EQ(retained(exported), kBos);
  EXPECT_EQ(retained(never_exported), 0);
}

TEST_F(Shrinker, SparesExportedBosAlsoWhenMemoryIsShort) {
  const auto exported = make();
  const auto never_exported = make();
  for (const uint32_t bo : exported) gpu.export_bo(bo).reset();
  let_go(exported);
  let_go(never_exported);
  // Could not live without what the shrinker takes.
  EXPECT_TRUE(press_memory(uint64_t{kBos} * kMiB / 2));
  EXPECT_EQ(retained(exported), kBos);
  EXPECT_LE(retained(never_exported), kBos / 2);
}

TEST_F(Shrinker, SparesABoWhoseDmaBufIsClosedOrWasImportedAgain) {
  const uint32_t closed = *gpu.create(kMiB);
  gpu.export_bo(closed).reset();
  const uint32_t imported = *gpu.create(kMiB);
  const uint32_t again = gpu.import(gpu.export_bo(imported).get());
  let_go({closed, imported});
  drop_caches();
  EXPECT_EQ(again, imported);
  EXPECT_EQ(retained({closed, imported}), 2);
}

TEST_F(Shrinker, SparesBosThatAreWillNeed) {
  const auto bos = make();
  drop_caches();
  EXPECT_EQ(retained(bos), kBos);
}

TEST_F(Shrinker, GivesBackTheMemory) {
  const auto bos = make();
  const uint64_t before = meminfo("MemFree");
  let_go(bos);
  drop_caches();
  EXPECT_GE(meminfo("MemFree"), before + uint64_t{kBos} * kMiB / 2);
}

}  // namespace
}  // namespace panbo::test
