#include "daemon/core/lifetime.h"

#include <gtest/gtest.h>

namespace panbo {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = kKiB * 1024;

TEST(LifetimeTest, IsAThirdForEachDoublingOfWhatRecurs) {
  EXPECT_EQ(lifetime_of_large(512 * kKiB + 1, true, seconds(9)), milliseconds(3000));
  EXPECT_EQ(lifetime_of_large(kMiB, true, seconds(9)), milliseconds(3000));
  EXPECT_EQ(lifetime_of_large(kMiB + 1, true, seconds(9)), milliseconds(1000));
  EXPECT_EQ(lifetime_of_large(2 * kMiB, true, seconds(9)), milliseconds(1000));
}

TEST(LifetimeTest, IsLongEnoughForAFilmHoweverLargeTheBo) {
  EXPECT_EQ(lifetime_of_large(32 * kMiB, true, seconds(10)), milliseconds(50));
  EXPECT_EQ(lifetime_of_large(UINT64_MAX, true, seconds(10)), milliseconds(50));
}

TEST(LifetimeTest, IsTheShortestForWhatDoesNotRecur) {
  EXPECT_EQ(lifetime_of_large(512 * kKiB + 1, false, seconds(10)), milliseconds(50));
  EXPECT_EQ(lifetime_of_large(8 * kMiB, false, seconds(10)), milliseconds(50));
}

}  // namespace
}  // namespace panbo
