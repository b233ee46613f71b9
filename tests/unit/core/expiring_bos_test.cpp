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
  EXPECT_EQ(expiring.next(), &fast);
  EXPECT_EQ(fast.due, at(60));
  expiring.remove(fast);
  EXPECT_EQ(expiring.next(), &later);
  expiring.remove(later);
  EXPECT_EQ(expiring.next(), &slow);
  expiring.remove(slow);
  EXPECT_EQ(expiring.next(), nullptr);
}

TEST(ExpiringBos, OneThatWasUnusedForLongBeforeGoesFirst) {
  Bo first{.since = at(100)};
  Bo old{.since = at(0)};
  ExpiringBos expiring;
  expiring.insert(first, milliseconds(50));
  expiring.insert(old, milliseconds(50));
  EXPECT_EQ(expiring.next(), &old);
  EXPECT_EQ(old.due, at(50));
  expiring.remove(old);
  expiring.remove(first);
}

TEST(ExpiringBos, OneThatWasUnusedForAShortTimeBeforeStaysNoLongerThanTheOneThatCameBeforeIt) {
  Bo first{.since = at(100)};
  Bo second{.since = at(140)};
  Bo unused_before{.since = at(120)};
  ExpiringBos expiring;
  for (Bo* bo : {&first, &second, &unused_before}) expiring.insert(*bo, milliseconds(50));
  EXPECT_EQ(unused_before.due, at(190));
  for (Bo* bo : {&first, &second, &unused_before}) {
    EXPECT_EQ(expiring.next(), bo);
    expiring.remove(*bo);
  }
}

TEST(ExpiringBos, ToRemoveWhatIsNotThereDoesNothing) {
  Bo bo{};
  ExpiringBos expiring;
  expiring.remove(bo);
  EXPECT_EQ(expiring.next(), nullptr);
}

}  // namespace
}  // namespace panbo
