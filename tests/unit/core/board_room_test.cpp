#include "daemon/core/board_room.h"

#include <gtest/gtest.h>

#include "tests/support/fake_device.h"
#include "tests/support/fake_memory.h"
#include "tests/support/fake_worker.h"

namespace panbo {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

class BoardRoomTest : public testing::Test {
 protected:
  /// A BO of that size is ready.
  void cache(uint64_t size) {
    const BoKey key{.domain = DomainId{1}, .kind = BoKind::kPlain, .size = size};
    Bo& bo = pool_.begin_create(key, {}, Time{});
    pool_.lend_created(bo, *device_.create(ArenaId{0}, key.kind, size), Time{});
    pool_.release(bo, Time{});
  }

  FakeDevice device_;
  FakeMemory memory_;
  FakeWorker worker_{device_};
  BoPool pool_{device_, &worker_, memory_, {.headroom_share = 0}};
  BoardRoom room_{pool_, &worker_, memory_, {.total_max = 100 * kMiB}};
};

TEST_F(BoardRoomTest, PromisesWhatTheBoardHasAndNoMore) {
  memory_.bytes = 4 * kMiB;
  EXPECT_EQ(room_.reserve(5 * kMiB).bytes(), 0u);
  EXPECT_EQ(room_.reserve(4 * kMiB).bytes(), 4 * kMiB);
}

TEST_F(BoardRoomTest, WhatWasPromisedIsGone) {
  memory_.bytes = 4 * kMiB;
  const Reservation first = room_.reserve(3 * kMiB);
  EXPECT_EQ(room_.reserve(2 * kMiB).bytes(), 0u);
  EXPECT_EQ(room_.lacking(2 * kMiB), kMiB);
}

TEST_F(BoardRoomTest, AReservationGivesItselfBack) {
  memory_.bytes = 4 * kMiB;
  { const Reservation first = room_.reserve(3 * kMiB); }
  EXPECT_EQ(room_.reserve(4 * kMiB).bytes(), 4 * kMiB);
}

TEST_F(BoardRoomTest, SmallRequestsAreComparedWithTheMemoryTogether) {
  memory_.bytes = 0;
  for (int i = 0; i < 15; ++i) ASSERT_GT(room_.reserve(kMiB / 16).bytes(), 0u);
  EXPECT_EQ(room_.reserve(kMiB / 16).bytes(), 0u);
  EXPECT_EQ(room_.reserve(4096).bytes(), 0u) << "while there is none, each of them";
  memory_.bytes = kMiB;
  EXPECT_GT(room_.reserve(4096).bytes(), 0u);
  memory_.bytes = 0;
  EXPECT_GT(room_.reserve(4096).bytes(), 0u) << "looked at a moment ago";
}

TEST_F(BoardRoomTest, WhatIsReadyCountsAsThereAndHasToBeEvicted) {
  cache(2 * kMiB);
  cache(2 * kMiB);
  memory_.bytes = 4 * kMiB;
  EXPECT_EQ(room_.reserve(9 * kMiB).bytes(), 0u);
  const Reservation promised = room_.reserve(5 * kMiB);
  ASSERT_EQ(promised.bytes(), 5 * kMiB);
  EXPECT_EQ(room_.to_evict(), kMiB);
  EXPECT_EQ(room_.lacking(3 * kMiB), 0u);
  EXPECT_EQ(room_.lacking(4 * kMiB), kMiB);
}

TEST_F(BoardRoomTest, KeepsToTheTotalBudget) {
  cache(60 * kMiB);
  const Reservation promised = room_.reserve(50 * kMiB);
  ASSERT_EQ(promised.bytes(), 50 * kMiB);
  EXPECT_EQ(room_.to_evict(), 10 * kMiB);
  EXPECT_EQ(room_.reserve(51 * kMiB).bytes(), 0u);
}

TEST_F(BoardRoomTest, WhatTheWorkerMakesIsGoneAndWhatItDestroysIsThere) {
  memory_.bytes = 10 * kMiB;
  worker_.create(BoId{7}, UserId{1}, ArenaId{0}, BoKind::kPlain, 4 * kMiB);
  EXPECT_EQ(room_.lacking(10 * kMiB), 4 * kMiB);
  const DeviceBo old = *device_.create(ArenaId{0}, BoKind::kPlain, 3 * kMiB);
  worker_.destroy(BoId{8}, old, 3 * kMiB);
  EXPECT_EQ(room_.lacking(10 * kMiB), kMiB);
  ASSERT_TRUE(worker_.cancel(BoId{7}));
  EXPECT_EQ(room_.lacking(13 * kMiB), 0u);
}

TEST_F(BoardRoomTest, WhoWaitsIsToldByALookThatIsNotTooOld) {
  memory_.bytes = kMiB;
  EXPECT_FALSE(room_.may_hold(2 * kMiB, Time{}));
  memory_.bytes = 2 * kMiB;
  EXPECT_FALSE(room_.may_hold(2 * kMiB, Time{}));
  EXPECT_TRUE(room_.may_hold(2 * kMiB, Time{} + std::chrono::milliseconds(1)));
}

}  // namespace
}  // namespace panbo
