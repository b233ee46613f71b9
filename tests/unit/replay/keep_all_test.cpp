#include "tests/replay/keep_all.h"

#include <gtest/gtest.h>

namespace panbo::replay {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(KeepAllTest, KeepsEverythingForEverybodyUntilAllHaveBeenIdle) {
  KeepAll cache;
  EXPECT_FALSE(cache.alloc(1, {.bo = 1, .size = 4096}, seconds(1)).hit);
  cache.release(1, {.bo = 1}, seconds(2));
  EXPECT_EQ(cache.next_deadline(), seconds(12));
  EXPECT_TRUE(cache.alloc(2, {.bo = 2, .size = 4000}, milliseconds(11'999)).hit);
  EXPECT_EQ(cache.next_deadline(), std::nullopt);
  cache.release(2, {.bo = 2}, seconds(12));
  cache.tick(seconds(22));
  EXPECT_EQ(cache.cached_bytes(), 0u);
  EXPECT_FALSE(cache.alloc(1, {.bo = 3, .size = 4096}, seconds(22)).hit);
}

TEST(KeepAllTest, WhatAJobUsesServesNobodyBeforeItEnds) {
  KeepAll cache;
  (void)cache.alloc(1, {.bo = 1, .size = 4096}, seconds(1));
  cache.release(1, {.bo = 1, .busy = true}, seconds(1));
  EXPECT_FALSE(cache.alloc(1, {.bo = 2, .size = 4096}, seconds(1)).hit);
  cache.idle(1, seconds(2));
  EXPECT_TRUE(cache.alloc(1, {.bo = 3, .size = 4096}, seconds(2)).hit);
}

TEST(KeepAllTest, WhatAClientLeavesBehindServesOthers) {
  KeepAll cache;
  (void)cache.alloc(1, {.bo = 1, .size = 4096}, seconds(1));
  cache.depart(1, seconds(2));
  EXPECT_EQ(cache.cached_bytes(), 4096u);
  EXPECT_FALSE(cache.alloc(2, {.bo = 2, .size = 8192}, seconds(3)).hit);
  EXPECT_TRUE(cache.alloc(2, {.bo = 3, .size = 4096}, seconds(3)).hit);
}

}  // namespace
}  // namespace panbo::replay
