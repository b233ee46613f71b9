#include "daemon/core/held_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

namespace panbo {
namespace {

using std::chrono::milliseconds;

constexpr UserId kMine{1000};
constexpr UserId kTheirs{2000};

class HeldQueueTest : public testing::Test {
 protected:
  void hold(uint64_t id, UserId user, uint64_t bytes = 4096) {
    queue_.add({.id = BoId{id}, .user = user, .bytes = bytes, .since = now_}, now_);
  }
  /// Looks at all that is due, as if it were still held. Returns how many looks each user had.
  std::map<UserId, int> look() {
    std::map<UserId, int> looks;
    for (int i = 0; i < 100'000; ++i) {
      const auto bo = queue_.take_due(now_);
      if (!bo) return looks;
      ++looks[bo->user];
      queue_.add(*bo, now_);
    }
    ADD_FAILURE() << "there was no end to it";
    return looks;
  }

  Time now_ = Time(std::chrono::hours(1));
  HeldQueue queue_{milliseconds(1), std::chrono::minutes(1)};
};

TEST_F(HeldQueueTest, WhoeverLacksMemoryIsShownItsOwnHoweverRecentlyItWasLookedAtAndEachOnce) {
  hold(1, kMine);
  hold(2, kTheirs);
  now_ += std::chrono::microseconds(10);
  const auto own = queue_.take_for(kMine, now_);
  ASSERT_TRUE(own);
  EXPECT_EQ(own->id, BoId{1});
  queue_.add(*own, now_);
  EXPECT_FALSE(queue_.take_for(kMine, now_)) << "its own was looked at, and theirs a moment ago";
}

TEST_F(HeldQueueTest, NothingIsDueBeforeItsPauseIsOver) {
  EXPECT_EQ(queue_.next_deadline(), std::nullopt);
  hold(1, kMine);
  EXPECT_FALSE(queue_.take_due(now_));
  EXPECT_GT(*queue_.next_deadline(), now_);
  now_ += milliseconds(2);
  EXPECT_LE(*queue_.next_deadline(), now_);
  EXPECT_EQ(queue_.take_due(now_)->id, BoId{1});
  EXPECT_EQ(queue_.size(), 0u);
  EXPECT_EQ(queue_.next_deadline(), std::nullopt);
}

TEST_F(HeldQueueTest, AUserHasTwoThousandLooksASecondHoweverManyItHolds) {
  for (uint64_t id = 1; id <= 65'536; ++id) hold(id, kMine);
  int looks = 0;
  int wake_ups = 0;
  for (const Time end = now_ + std::chrono::seconds(1); *queue_.next_deadline() < end; ++wake_ups) {
    now_ = std::max(now_, *queue_.next_deadline());
    looks += look()[kMine];
  }
  EXPECT_GE(looks, 1900) << "it has what it may have";
  EXPECT_LE(looks, 2128);
  EXPECT_LE(wake_ups, 17);
}

TEST_F(HeldQueueTest, UsersTakeTurnsAndNoneLosesLooksByWhatAnotherHolds) {
  for (uint64_t id = 1; id <= 1000; ++id) hold(id, kTheirs);
  for (uint64_t id = 2001; id <= 2003; ++id) hold(id, kMine);
  now_ += milliseconds(2);
  std::vector<UserId> order;
  for (int i = 0; i < 6; ++i) order.push_back(queue_.take_due(now_)->user);
  EXPECT_EQ(std::count(order.begin(), order.end(), kMine), 3);
}

TEST_F(HeldQueueTest, WhoeverLacksMemoryHasItsOwnLookedAtFirst) {
  hold(1, kTheirs, 1 << 20);
  hold(2, kMine);
  EXPECT_FALSE(queue_.has_for(kMine, now_)) << "they were looked at just now";
  now_ += milliseconds(1);
  ASSERT_TRUE(queue_.has_for(kMine, now_));
  EXPECT_EQ(queue_.take_for(kMine, now_)->id, BoId{2});
  EXPECT_EQ(queue_.take_for(kMine, now_)->id, BoId{1});
  EXPECT_FALSE(queue_.take_for(kMine, now_));
}

TEST_F(HeldQueueTest, ThenThoseOfTheUsersWhoHoldMostTheOneNotLookedAtForLongestFirst) {
  hold(1, UserId{3000}, 2 << 20);
  hold(2, kTheirs, 1 << 20);
  now_ += milliseconds(1);
  hold(3, kTheirs, 2 << 20);
  now_ += milliseconds(1);
  std::vector<uint64_t> order;
  while (const auto bo = queue_.take_for(kMine, now_)) order.push_back(bo->id.value);
  EXPECT_EQ(order, (std::vector<uint64_t>{2, 1, 3})) << "after the first of them the others hold more";
}

TEST_F(HeldQueueTest, ARequestLooksAtNoMoreOfAnothersThanThatUserMayHave) {
  for (uint64_t id = 1; id <= 1000; ++id) hold(id, kTheirs);
  now_ += milliseconds(1);
  int looks = 0;
  for (int request = 0; request < 100; ++request) {
    while (const auto bo = queue_.take_for(kMine, now_)) {
      queue_.add(*bo, now_);
      ++looks;
    }
  }
  EXPECT_EQ(looks, 128);
}

TEST_F(HeldQueueTest, TheUserWhoHoldsMostLosesTheOneHeldLongest) {
  hold(1, kMine);
  now_ += std::chrono::seconds(1);
  hold(2, kTheirs);
  now_ += std::chrono::seconds(1);
  hold(3, kTheirs);
  look();
  EXPECT_EQ(queue_.take_longest_held().id, BoId{2});
  EXPECT_EQ(queue_.size(), 2u);
}

}  // namespace
}  // namespace panbo
