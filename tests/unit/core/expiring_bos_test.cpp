#include "daemon/core/expiring_bos.h"

#include <gtest/gtest.h>

namespace panbo {
namespace {

using std::chrono::milliseconds;

Time at(int ms) {
  return Time(milliseconds(ms));
}

TEST(ExpiringBos, TheOneThatIsDueFirstIsNextWhateverItsLifetime) {
  Bo slow{.since = at(0)};
  Bo fast{.since = at(10)};
  Bo later{.since = at(20)};
  ExpiringBos expiring;
  expiring.insert(slow, milliseconds(100));
  expiring.insert(fast, milliseconds(50));
  expiring.insert(later, milliseconds(50));
  EXPECT_EQ(expiring.next()->bo, &fast);
  EXPECT_EQ(expiring.next()->due, at(60));
  expiring.remove(fast);
  EXPECT_EQ(expiring.next()->bo, &later);
  expiring.remove(later);
  EXPECT_EQ(expiring.next()->bo, &slow);
  expiring.remove(slow);
  EXPECT_FALSE(expiring.next());
}

TEST(ExpiringBos, OneThatWasUnusedForLongBeforeGoesFirst) {
  Bo first{.since = at(100)};
  Bo old{.since = at(0)};
  ExpiringBos expiring;
  expiring.insert(first, milliseconds(50));
  expiring.insert(old, milliseconds(50));
  EXPECT_EQ(expiring.next()->bo, &old);
  EXPECT_EQ(expiring.next()->due, at(50));
  expiring.remove(old);
  expiring.remove(first);
}

TEST(ExpiringBos, OneThatWasUnusedForAShortTimeBeforeStaysNoLongerThanTheOneThatCameBeforeIt) {
  Bo first{.since = at(100)};
  Bo second{.since = at(140)};
  Bo unused_before{.since = at(120)};
  ExpiringBos expiring;
  for (Bo* bo : {&first, &second, &unused_before}) expiring.insert(*bo, milliseconds(50));
  for (Bo* bo : {&first, &second, &unused_before}) {
    EXPECT_EQ(expiring.next()->bo, bo);
    EXPECT_LE(expiring.next()->due, at(190));
    expiring.remove(*bo);
  }
}

TEST(ExpiringBos, ToRemoveWhatIsNotThereDoesNothing) {
  Bo bo{};
  ExpiringBos expiring;
  expiring.remove(bo);
  EXPECT_FALSE(expiring.next());
}

}  // namespace
}  // namespace panbo
