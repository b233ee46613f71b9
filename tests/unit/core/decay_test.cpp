#include "daemon/core/decay.h"

#include <gtest/gtest.h>

namespace panbo {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kBytes = 1'000'000;
constexpr Time kStart{std::chrono::hours(5)};

TEST(Decay, FallsSmoothlyFromEverythingToNothingInTheLastQuarter) {
  Decay decay(seconds(10));
  decay.add(kBytes, kStart);
  EXPECT_EQ(decay.limit(kStart), kBytes);
  EXPECT_NEAR(static_cast<double>(decay.limit(kStart + milliseconds(8750))), kBytes / 2.0, kBytes * 0.08);
  EXPECT_EQ(decay.limit(kStart + seconds(10)), 0u);

  uint64_t last = kBytes;
  for (int i = 1; i <= 100; ++i) {
    const uint64_t now = decay.limit(kStart + milliseconds(100 * i));
    EXPECT_LE(now, last);
    EXPECT_LE(last - now, kBytes * 12 / 100) << "the steepest slope is 15/8 × 4, two steps may pass; at " << i;
    last = now;
  }
}

TEST(Decay, APauseOfThreeQuartersOfTheTimeCostsNothing) {
  Decay decay(seconds(10));
  decay.add(kBytes, kStart);
  EXPECT_EQ(decay.limit(kStart + milliseconds(7400)), kBytes);
}

TEST(Decay, WhatIsUsedAgainDoesNotAge) {
  Decay decay(seconds(10));
  Time since = kStart;
  decay.add(kBytes, since);
  for (int i = 1; i <= 200; ++i) {
    const Time now = kStart + milliseconds(100 * i);
    decay.remove(kBytes, since);
    decay.add(kBytes, now);
    since = now;
    EXPECT_EQ(decay.limit(now), kBytes);
  }
}

TEST(Decay, OldAndNewDecayEachFromTheirOwnStart) {
  Decay decay(seconds(10));
  decay.add(kBytes, kStart);
  decay.add(kBytes, kStart + seconds(9));
  EXPECT_NEAR(static_cast<double>(decay.limit(kStart + seconds(10))), kBytes, kBytes * 0.02);
  EXPECT_EQ(decay.limit(kStart + seconds(19)), 0u);
}

TEST(Decay, WhatComesLateHasTheAgeThatItSays) {
  Decay decay(seconds(10));
  decay.add(1, kStart + seconds(5));
  decay.add(kBytes, kStart);
  EXPECT_EQ(decay.limit(kStart + seconds(5)), kBytes + 1);
  EXPECT_EQ(decay.limit(kStart + seconds(10)), 1u);
  decay.remove(kBytes, kStart);
  EXPECT_EQ(decay.limit(kStart + seconds(5)), 1u);
}

TEST(Decay, WhatComesTooLateIsAllowedNothing) {
  Decay decay(seconds(10));
  decay.add(1, kStart + seconds(20));
  decay.add(kBytes, kStart);
  EXPECT_EQ(decay.limit(kStart + seconds(20)), 1u);
  decay.remove(kBytes, kStart);
  EXPECT_EQ(decay.limit(kStart + seconds(20)), 1u);
}

TEST(Decay, KnowsWhenItsLimitIsReached) {
  Decay decay(seconds(10));
  decay.add(kBytes, kStart);
  for (const uint64_t bytes : {kBytes - 1, kBytes / 2, kBytes / 10, uint64_t{0}}) {
    const Time when = decay.when_at_most(bytes, kStart);
    EXPECT_LE(decay.limit(when), bytes);
    EXPECT_GT(decay.limit(when - decay.step()), bytes);
  }
  EXPECT_EQ(decay.when_at_most(kBytes, kStart), kStart);
}

TEST(Decay, NothingIsOwedByAnEmptyCache) {
  Decay decay(seconds(10));
  EXPECT_EQ(decay.limit(kStart), 0u);
  decay.add(kBytes, kStart);
  decay.remove(kBytes, kStart);
  EXPECT_EQ(decay.limit(kStart + seconds(1)), 0u);
}

TEST(Decay, ForgetsWhatLeftTheRing) {
  Decay decay(seconds(10));
  decay.add(kBytes, kStart);
  decay.add(1, kStart + seconds(100));
  decay.remove(kBytes, kStart);
  EXPECT_EQ(decay.limit(kStart + seconds(100)), 1u);
}

}  // namespace
}  // namespace panbo
