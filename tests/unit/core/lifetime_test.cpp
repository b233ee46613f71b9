#include "daemon/core/lifetime.h"

#include <gtest/gtest.h>

namespace panbo {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = kKiB * 1024;

TEST(LifetimeTest, IsTheDecayTimeForSmallBos) {
  EXPECT_EQ(lifetime(4096, seconds(10)), seconds(10));
  EXPECT_EQ(lifetime(512 * kKiB, seconds(10)), seconds(10));
}

TEST(LifetimeTest, IsAQuarterForEachDoublingBeyond) {
  EXPECT_EQ(lifetime(512 * kKiB + 1, seconds(10)), milliseconds(2500));
  EXPECT_EQ(lifetime(kMiB, seconds(10)), milliseconds(2500));
  EXPECT_EQ(lifetime(kMiB + 1, seconds(10)), milliseconds(625));
  EXPECT_EQ(lifetime(4 * kMiB, seconds(10)), std::chrono::microseconds(156'250));
}

TEST(LifetimeTest, IsLongEnoughForAFilmHoweverLargeTheBo) {
  EXPECT_EQ(lifetime(8 * kMiB, seconds(10)), milliseconds(50));
  EXPECT_EQ(lifetime(UINT64_MAX, seconds(10)), milliseconds(50));
}

}  // namespace
}  // namespace panbo
