#include "daemon/device/bo_size.h"

#include <gtest/gtest.h>

namespace panbo {
namespace {

TEST(BoSizeTest, PlainAndExecutableSizesAreWholePages) {
  EXPECT_EQ(rounded_bo_size(BoKind::kPlain, 1, 4096), 4096u);
  EXPECT_EQ(rounded_bo_size(BoKind::kPlain, 4096, 4096), 4096u);
  EXPECT_EQ(rounded_bo_size(BoKind::kExecutable, 4097, 4096), 8192u);
  EXPECT_EQ(rounded_bo_size(BoKind::kPlain, 4097, 65536), 65536u);
}

TEST(BoSizeTest, HeapSizesAreWholeSteps) {
  EXPECT_EQ(rounded_bo_size(BoKind::kHeap, 1, 4096), kHeapGranule);
  EXPECT_EQ(rounded_bo_size(BoKind::kHeap, kHeapGranule + 1, 4096), 2 * kHeapGranule);
}

TEST(BoSizeTest, TheLargestExecutableHasAPlaceThatIsAlignedToItAndTheNextOneHasNone) {
  for (const uint64_t page : {uint64_t{4096}, uint64_t{16384}, uint64_t{65536}}) {
    const uint64_t end = (uint64_t{4} << 30) - page;
    const uint64_t largest = max_executable_size(page);
    EXPECT_LE(2 * largest, end);
    EXPECT_GT(2 * (largest + page), end);
    EXPECT_EQ(rounded_bo_size(BoKind::kExecutable, largest, page), largest);
  }
}

TEST(BoSizeTest, TheLargestSizeIsNotRoundedBeyondAnyLimit) {
  for (const uint64_t page : {4096, 16384, 65536}) {
    const uint64_t max = max_bo_size(page);
    for (const BoKind kind : {BoKind::kPlain, BoKind::kExecutable, BoKind::kHeap}) {
      EXPECT_EQ(rounded_bo_size(kind, max, page), max);
    }
    EXPECT_LE(max, kArenaBytes);
    EXPECT_LE(max, UINT32_MAX);
  }
}

}  // namespace
}  // namespace panbo
