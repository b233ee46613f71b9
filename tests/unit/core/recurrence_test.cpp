#include "daemon/core/recurrence.h"

#include <gtest/gtest.h>

namespace panbo {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr BoKey kKey{.size = 1 << 20};
constexpr BoKey kOther{.size = 2 << 20};

Time at(Duration time) {
  return Time{} + time;
}

TEST(RecurrenceTest, AKeyRecursFromATwentiethOfTheDecayTimeOn) {
  Recurrence recurrence(seconds(10));
  recurrence.ask(kKey, at(seconds(1)));
  recurrence.ask(kKey, at(milliseconds(1499)));
  EXPECT_FALSE(recurrence.recurs(kKey, at(milliseconds(1499))));
  recurrence.ask(kKey, at(milliseconds(1500)));
  EXPECT_TRUE(recurrence.recurs(kKey, at(milliseconds(1500))));
}

TEST(RecurrenceTest, ItRecursThroughAPauseIfItDidSoOftenBefore) {
  Recurrence recurrence(seconds(10));
  for (int i = 0; i < 60; ++i) recurrence.ask(kKey, at(milliseconds(50) * i));
  recurrence.ask(kKey, at(seconds(9)));
  EXPECT_TRUE(recurrence.recurs(kKey, at(seconds(9))));
}

TEST(RecurrenceTest, AFewAsksNowAndThenAreNoRecurrence) {
  Recurrence recurrence(seconds(10));
  for (const auto pass : {seconds(1), seconds(9)}) {
    for (int i = 0; i < 4; ++i) recurrence.ask(kKey, at(pass + milliseconds(50) * i));
  }
  EXPECT_FALSE(recurrence.recurs(kKey, at(seconds(10))));
}

TEST(RecurrenceTest, ItDoesNotBecauseOfTimeAlone) {
  Recurrence recurrence(seconds(10));
  recurrence.ask(kKey, at(seconds(1)));
  EXPECT_FALSE(recurrence.recurs(kKey, at(seconds(9))));
}

TEST(RecurrenceTest, ItNoLongerDoesWhenNobodyHasAskedForTheDecayTime) {
  Recurrence recurrence(seconds(10));
  for (int i = 0; i <= 20; ++i) recurrence.ask(kKey, at(milliseconds(100) * i));
  EXPECT_TRUE(recurrence.recurs(kKey, at(milliseconds(11'999))));
  EXPECT_FALSE(recurrence.recurs(kKey, at(seconds(12))));
  recurrence.ask(kKey, at(seconds(12)));
  EXPECT_FALSE(recurrence.recurs(kKey, at(seconds(12))));
}

TEST(RecurrenceTest, KeysRecurEachForItself) {
  Recurrence recurrence(seconds(10));
  recurrence.ask(kKey, at(seconds(1)));
  recurrence.ask(kOther, at(seconds(2)));
  recurrence.ask(kKey, at(seconds(2)));
  EXPECT_TRUE(recurrence.recurs(kKey, at(seconds(2))));
  EXPECT_FALSE(recurrence.recurs(kOther, at(seconds(2))));
  EXPECT_FALSE(recurrence.recurs({.domain = DomainId{1}, .size = kKey.size}, at(seconds(2))));
}

TEST(RecurrenceTest, ForgettingManyThatAreOverLeavesTheOthers) {
  Recurrence recurrence(seconds(10));
  for (uint32_t user = 1; user <= 1000; ++user) {
    recurrence.ask({.domain = DomainId{user}, .size = kOther.size}, at(milliseconds(50) * user));
    recurrence.ask(kKey, at(milliseconds(50) * user));
    EXPECT_LE(recurrence.size(), 2 * 202u) << "keys of the last 10 s: 200 and kKey";
  }
  EXPECT_TRUE(recurrence.recurs(kKey, at(seconds(50))));
}

}  // namespace
}  // namespace panbo
