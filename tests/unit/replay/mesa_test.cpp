// Each rule that the headers of the two policies name.

#include <gtest/gtest.h>

#include "tests/replay/mesa_freedreno.h"
#include "tests/replay/mesa_panfrost.h"

namespace panbo::replay {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = kKiB * 1024;

template <class Cache>
class MesaTest : public testing::Test {
 protected:
  MesaTest() { cache_.arrive(1, {}, {}); }

  Served alloc(uint64_t size, uint32_t flags = 0, uint32_t client = 1) {
    return cache_.alloc(client, {.bo = ++bo_, .size = size, .flags = flags}, now_);
  }
  /// Of the BO that was allocated last.
  void release(bool busy = false, uint32_t client = 1) { cache_.release(client, {.bo = bo_, .busy = busy}, now_); }
  /// Puts BOs of these sizes into the cache, none of which serves another's request.
  void fill(std::vector<uint64_t> sizes) {
    const uint64_t first = bo_ + 1;
    for (const uint64_t size : sizes) alloc(size);
    for (uint64_t bo = first; bo <= bo_; ++bo) cache_.release(1, {.bo = bo}, now_);
  }

  Cache cache_;
  Duration now_{};
  uint64_t bo_ = 0;
};

using MesaPanfrostTest = MesaTest<MesaPanfrost>;
using MesaFreedrenoTest = MesaTest<MesaFreedreno>;

TEST_F(MesaPanfrostTest, RoundsUpToPagesOnly) {
  EXPECT_EQ(alloc(1).size, 4 * kKiB);
  EXPECT_EQ(alloc(65 * kKiB + 1).size, 68 * kKiB);
}

TEST_F(MesaPanfrostTest, TakesTheOldestThatIsLargeEnoughOfItsBucket) {
  fill({68 * kKiB, 120 * kKiB, 100 * kKiB});
  const Served served = alloc(80 * kKiB);
  EXPECT_TRUE(served.hit);
  EXPECT_EQ(served.size, 120 * kKiB);
  EXPECT_EQ(alloc(80 * kKiB).size, 100 * kKiB);
  EXPECT_FALSE(alloc(80 * kKiB).hit);
}

TEST_F(MesaPanfrostTest, DoesNotLookInLargerBuckets) {
  fill({128 * kKiB});
  EXPECT_FALSE(alloc(120 * kKiB).hit);
  EXPECT_TRUE(alloc(128 * kKiB).hit);
}

TEST_F(MesaPanfrostTest, KeepsAllFrom4MiBOnInOneBucket) {
  fill({100 * kMiB});
  const Served served = alloc(4 * kMiB);
  EXPECT_TRUE(served.hit);
  EXPECT_EQ(served.size, 100 * kMiB);
}

TEST_F(MesaPanfrostTest, FlagsMustBeTheSame) {
  fill({64 * kKiB});
  EXPECT_FALSE(alloc(64 * kKiB, 1).hit);
  EXPECT_TRUE(alloc(64 * kKiB, 0).hit);
}

TEST_F(MesaPanfrostTest, GivesUpAtABusyOneThatWouldFitEvenIfALaterOneIsIdle) {
  const uint64_t busy = bo_ + 1;
  alloc(64 * kKiB);
  alloc(64 * kKiB);
  cache_.release(1, {.bo = busy, .busy = true}, now_);
  cache_.release(1, {.bo = busy + 1}, now_);
  EXPECT_FALSE(alloc(64 * kKiB).hit);
  cache_.idle(busy, now_);
  EXPECT_TRUE(alloc(64 * kKiB).hit);
}

TEST_F(MesaPanfrostTest, PassesOverABusyOneThatDoesNotFit) {
  const uint64_t busy = bo_ + 1;
  alloc(64 * kKiB);
  alloc(100 * kKiB);
  cache_.release(1, {.bo = busy, .busy = true}, now_);
  cache_.release(1, {.bo = busy + 1}, now_);
  EXPECT_TRUE(alloc(100 * kKiB).hit);
}

TEST_F(MesaPanfrostTest, DropsWhatIsOlderThanTwoSecondsOfTheClockAtARelease) {
  now_ = milliseconds(900);
  fill({64 * kKiB});
  now_ = milliseconds(2999);
  fill({4 * kKiB});
  EXPECT_EQ(cache_.cached_bytes(), 68 * kKiB);
  // The third second of the clock after 0: it goes, though it is only 2.1 s old.
  now_ = seconds(3);
  fill({8 * kKiB});
  EXPECT_EQ(cache_.cached_bytes(), 12 * kKiB);
}

TEST_F(MesaPanfrostTest, KeepsEverythingWhileNothingIsReleased) {
  fill({64 * kKiB});
  now_ = std::chrono::hours(1);
  EXPECT_EQ(cache_.next_deadline(), std::nullopt);
  EXPECT_TRUE(alloc(64 * kKiB).hit);
}

TEST_F(MesaPanfrostTest, IsPrivateAndGoesWithItsProcess) {
  cache_.arrive(2, {}, now_);
  fill({64 * kKiB});
  EXPECT_FALSE(alloc(64 * kKiB, 0, 2).hit);
  release(false, 2);
  EXPECT_EQ(cache_.cached_bytes(), 128 * kKiB);
  cache_.depart(1, now_);
  EXPECT_EQ(cache_.cached_bytes(), 64 * kKiB);
}

TEST_F(MesaPanfrostTest, HasNoLimit) {
  fill(std::vector<uint64_t>(1000, 64 * kMiB));
  EXPECT_EQ(cache_.cached_bytes(), 64'000 * kMiB);
}

TEST_F(MesaPanfrostTest, WhatIsBusyIsNotCountedAsCached) {
  alloc(64 * kKiB);
  release(true);
  EXPECT_EQ(cache_.cached_bytes(), 0u);
  cache_.idle(bo_, now_);
  EXPECT_EQ(cache_.cached_bytes(), 64 * kKiB);
}

TEST_F(MesaPanfrostTest, ABusyOneCanBeDroppedBeforeItIsIdle) {
  alloc(64 * kKiB);
  release(true);
  const uint64_t busy = bo_;
  now_ = seconds(3);
  fill({4 * kKiB});
  cache_.idle(busy, now_);
  EXPECT_EQ(cache_.cached_bytes(), 4 * kKiB);
}

TEST_F(MesaFreedrenoTest, BosAreAsLargeAsTheirBuckets) {
  EXPECT_EQ(alloc(1).size, 4 * kKiB);
  EXPECT_EQ(alloc(9 * kKiB).size, 12 * kKiB);
  EXPECT_EQ(alloc(13 * kKiB).size, 16 * kKiB);
  EXPECT_EQ(alloc(17 * kKiB).size, 20 * kKiB);
  EXPECT_EQ(alloc(33 * kKiB).size, 40 * kKiB);
  EXPECT_EQ(alloc(64 * kKiB).size, 64 * kKiB);
  EXPECT_EQ(alloc(65 * kKiB).size, 80 * kKiB);
  EXPECT_EQ(alloc(113 * kKiB).size, 128 * kKiB);
  EXPECT_EQ(alloc(111 * kMiB).size, 112 * kMiB);
}

TEST_F(MesaFreedrenoTest, BeyondTheLargestBucketNothingIsCached) {
  EXPECT_EQ(alloc(113 * kMiB).size, 113 * kMiB);
  release();
  EXPECT_EQ(cache_.cached_bytes(), 0u);
  EXPECT_FALSE(alloc(113 * kMiB).hit);
}

TEST_F(MesaFreedrenoTest, ServesOnlyFromTheBucketOfTheSize) {
  fill({80 * kKiB});
  EXPECT_FALSE(alloc(64 * kKiB).hit);
  EXPECT_TRUE(alloc(70 * kKiB).hit);
}

TEST_F(MesaFreedrenoTest, ABusyOneEndsTheSearchWhateverItsFlags) {
  const uint64_t busy = bo_ + 1;
  alloc(64 * kKiB, 1);
  alloc(64 * kKiB, 0);
  cache_.release(1, {.bo = busy, .busy = true}, now_);
  cache_.release(1, {.bo = busy + 1}, now_);
  EXPECT_FALSE(alloc(64 * kKiB, 0).hit);
  cache_.idle(busy, now_);
  EXPECT_TRUE(alloc(64 * kKiB, 0).hit);
}

TEST_F(MesaFreedrenoTest, DropsWhatIsOlderThanOneSecondOfTheClockAtARelease) {
  now_ = milliseconds(900);
  fill({64 * kKiB});
  now_ = milliseconds(1999);
  fill({4 * kKiB});
  EXPECT_EQ(cache_.cached_bytes(), 68 * kKiB);
  now_ = seconds(2);
  fill({8 * kKiB});
  EXPECT_EQ(cache_.cached_bytes(), 12 * kKiB);
}

TEST_F(MesaFreedrenoTest, LooksForStaleOnesOnceASecond) {
  fill({64 * kKiB});
  now_ = seconds(1);
  fill({8 * kKiB});
  now_ = milliseconds(2100);
  fill({4 * kKiB});
  // 64 KiB went with that release. What was released at 1 s is stale from 3 s on.
  EXPECT_EQ(cache_.cached_bytes(), 12 * kKiB);
  now_ = milliseconds(3100);
  fill({16 * kKiB});
  EXPECT_EQ(cache_.cached_bytes(), 20 * kKiB);
}

}  // namespace
}  // namespace panbo::replay
