#include "proto/size_class.h"

#include <gtest/gtest.h>

namespace panbo {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;

TEST(SizeClass, IsInPagesUpTo64KiB) {
  EXPECT_EQ(size_class(1, kPage), kPage);
  EXPECT_EQ(size_class(kPage, kPage), kPage);
  EXPECT_EQ(size_class(kPage + 1, kPage), 2 * kPage);
  EXPECT_EQ(size_class(61 * kKiB, kPage), 64 * kKiB);
}

TEST(SizeClass, HasSixteenStepsForEachDoubling) {
  int classes = 0;
  uint64_t last = 0;
  for (uint64_t size = 1 * kMiB + 1; size <= 2 * kMiB; size += kPage) {
    const uint64_t rounded = size_class(size, kPage);
    if (rounded != last) ++classes;
    last = rounded;
  }
  EXPECT_EQ(classes, 16);
  EXPECT_EQ(last, 2 * kMiB);
}

// A size is at most a page more than the size before it, so looking at both ends of every page is looking at all.
TEST(SizeClass, WastesAtMostASixteenthOfThePagesAskedFor) {
  double worst = 0;
  for (uint64_t pages = 1; pages <= kLargestClassedSize / kPage; ++pages) {
    const uint64_t asked = pages * kPage;
    const uint64_t got = size_class(asked, kPage);
    ASSERT_GE(got, asked);
    ASSERT_EQ(got, size_class(asked - kPage + 1, kPage)) << asked;
    ASSERT_EQ(got, size_class(got, kPage)) << asked;
    worst = std::max(worst, static_cast<double>(got - asked) / static_cast<double>(asked));
  }
  EXPECT_LE(worst, 0.0625);
  EXPECT_GT(worst, 0.05);
}

TEST(SizeClass, IsExactBeyond64MiB) {
  EXPECT_EQ(size_class(64 * kMiB + 1, kPage), 64 * kMiB + kPage);
  EXPECT_EQ(size_class(1000 * kMiB, kPage), 1000 * kMiB);
}

TEST(SizeClass, IsNeverFinerThanWhatTheKernelRoundsTo) {
  EXPECT_EQ(size_class(1, kHeapGranule), 2 * kMiB);
  EXPECT_EQ(size_class(33 * kMiB, kHeapGranule), 34 * kMiB);
  EXPECT_EQ(size_class(100 * kKiB, 64 * kKiB), 128 * kKiB);
}

}  // namespace
}  // namespace panbo
