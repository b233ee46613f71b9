#include "daemon/transport/line_limit.h"

#include <gtest/gtest.h>

namespace panbo {
namespace {

using std::chrono::seconds;

TEST(LineLimit, AllowsOneLineInItsTime) {
  const Time start{std::chrono::hours(1)};
  LineLimit limit(seconds(10));
  EXPECT_TRUE(limit.allows(start));
  EXPECT_FALSE(limit.allows(start));
  EXPECT_FALSE(limit.allows(start + seconds(10) - Duration(1)));
  EXPECT_TRUE(limit.allows(start + seconds(10))) << "which those that were not allowed do not put off";
  EXPECT_FALSE(limit.allows(start + seconds(11)));
}

TEST(LineLimit, TheFirstLineIsAllowedHoweverEarlyItComes) {
  LineLimit limit(seconds(10));
  EXPECT_TRUE(limit.allows(Time{}));
}

}  // namespace
}  // namespace panbo
