// How memory goes back when there is much of it, and when it is several users': in pieces, and from whoever has most.
#include "tests/unit/core/bo_pool_rig.h"

namespace panbo {
namespace {

constexpr BoKey kTheirs{.domain = DomainId{2000}, .size = 4096};

class BoPoolPiecesTest : public BoPoolRig {
 protected:
  BoPoolPiecesTest() : BoPoolRig({.cache_max = 4096 * 1000}, true) {
    worker_.on_destroyed = [this](uint64_t bytes) { pool_.on_destroyed(bytes, now()); };
  }
  /// Ticks without any time passing, until nothing is due. Returns how many BOs went in the tick in which most did.
  uint64_t tick_until_done() {
    uint64_t most = 0;
    for (int i = 0; i < 1000; ++i) {
      const uint64_t before = pool_.evicted().count;
      const bool more = pool_.tick(now()).more;
      most = std::max(most, pool_.evicted().count - before);
      EXPECT_EQ(more, pool_.next_deadline() && *pool_.next_deadline() <= now());
      if (!more) return most;
    }
    ADD_FAILURE() << "there was no end to it";
    return most;
  }
};

TEST_F(BoPoolPiecesTest, TheCacheOfAUserIsNotFlushedByAnothersChurn) {
  make_ready(10);
  make_ready(5000, kTheirs);
  EXPECT_EQ(ready_of(kKey), 10u * 4096);
  EXPECT_LE(pool_.ready().bytes, 4096u * 1000);
}

TEST_F(BoPoolPiecesTest, MemoryForARequestComesFromWhoeverKeepsMost) {
  make_ready(10);
  make_ready(100, kTheirs);
  EXPECT_EQ(pool_.evict_bytes(90 * 4096, SIZE_MAX, now()).amount.count, 90u);
  EXPECT_EQ(ready_of(kKey), 10u * 4096);
}

TEST_F(BoPoolPiecesTest, HeadroomComesFromWhoeverKeepsMost) {
  make_ready(10);
  make_ready(100, kTheirs);
  memory_.bytes = 4 * 50 * 4096;
  run_for(std::chrono::milliseconds(250));
  EXPECT_EQ(ready_of(kKey), 10u * 4096);
  EXPECT_EQ(ready_of(kTheirs), 40u * 4096);
}

TEST_F(BoPoolPiecesTest, AgeAloneDecidesWhatDecays) {
  make_ready(10);
  clock_.advance(std::chrono::seconds(5));
  make_ready(100, kTheirs);
  run_for(std::chrono::milliseconds(5200));
  EXPECT_EQ(ready_of(kKey), 0u);
  EXPECT_EQ(ready_of(kTheirs), 100u * 4096);
}

TEST_F(BoPoolPiecesTest, EvictionEndsAfterAPieceAndSaysThatThereIsMore) {
  make_ready(100);
  Evicted evicted = pool_.evict_all(kEvictPiece, now());
  EXPECT_EQ(evicted.amount.count, 64u);
  EXPECT_TRUE(evicted.more);
  evicted = pool_.evict_all(kEvictPiece, now());
  EXPECT_EQ(evicted.amount.count, 36u);
  EXPECT_FALSE(evicted.more);
}

TEST_F(BoPoolPiecesTest, AUsersOwnAreEvictedInPiecesWithoutAWalkOverOthers) {
  make_ready(100);
  make_ready(100, kTheirs);
  EXPECT_TRUE(pool_.evict_user(kUser, kEvictPiece, now()).more);
  EXPECT_FALSE(pool_.evict_user(kUser, kEvictPiece, now()).more);
  EXPECT_EQ(ready_of(kKey), 0u);
  EXPECT_EQ(ready_of(kTheirs), 100u * 4096);
}

TEST_F(BoPoolPiecesTest, PressureIsFollowedPieceByPieceUntilTheGoalIsReached) {
  make_ready(1000);
  pool_.shrink_to(4096 * 500, now());
  EXPECT_EQ(pool_.ready().count, 936u);
  EXPECT_LE(pool_.next_deadline(), now());
  EXPECT_LE(tick_until_done(), 64u);
  EXPECT_EQ(pool_.ready().count, 500u);
}

TEST_F(BoPoolPiecesTest, AGoalThatIsReachedIsForgotten) {
  make_ready(100);
  pool_.shrink_to(0, now());
  tick_until_done();
  make_ready(100);
  tick_until_done();
  EXPECT_EQ(pool_.ready().count, 100u);
}

TEST_F(BoPoolPiecesTest, HeadroomForMuchIsMadePieceByPiece) {
  make_ready(1000);
  memory_.bytes = 0;
  EXPECT_EQ(pool_.keep_headroom(4096, now()), 4096u) << "what clients keep is all that will be too much";
  EXPECT_EQ(pool_.ready().count, 936u);
  EXPECT_LE(tick_until_done(), 64u);
  EXPECT_EQ(pool_.ready().count, 0u);
}

TEST_F(BoPoolPiecesTest, WhatHasDecayedGoesPieceByPiece) {
  make_ready(1000);
  clock_.advance(std::chrono::minutes(1));
  EXPECT_LE(tick_until_done(), 64u);
  EXPECT_EQ(pool_.ready().count, 0u);
}

TEST_F(BoPoolPiecesTest, OneBoThatEntersEvictsAtMostEightAndTheLimitHolds) {
  make_ready(1000);
  pool_.release(lend({.domain = DomainId{3000}, .size = 8 * 4096}), now());
  EXPECT_EQ(pool_.evicted().count, 8u);
  EXPECT_EQ(pool_.ready(), (Amount{993, 1000 * 4096}));
  pool_.release(lend({.domain = DomainId{3000}, .size = 100 * 4096}), now());
  EXPECT_EQ(pool_.ready(), (Amount{985, 992 * 4096})) << "it is retired itself";
}

TEST_F(BoPoolPiecesTest, ARequestLooksAtNoMoreThanSixteenPurgedOnes) {
  make_ready(100);
  device_.purge();
  EXPECT_EQ(lend_ready(), nullptr);
  EXPECT_EQ(pool_.purged().count, 16u);
}

TEST_F(BoPoolPiecesTest, TheStockIsCheckedPieceByPiece) {
  BoPool pool(device_, &worker_, memory_, {.stock = {{.size = 4096, .count = 100}, {.size = 8192, .count = 100}}});
  for (int i = 0; i < 200; ++i) {
    Bo& bo = pool.begin_stock(now());
    pool.stock_created(bo, device_.create(ArenaId{0}, BoKind::kPlain, bo.key.size), now());
  }
  device_.purge();
  pool.check_stock(now());
  EXPECT_EQ(pool.purged().count, 64u);
  EXPECT_LE(pool.next_deadline(), now());
  while (pool.tick(now()).more) continue;
  EXPECT_EQ(pool.purged().count, 200u);
}

TEST_F(BoPoolPiecesTest, WhereTheStockGoesItGoesPieceByPieceToo) {
  BoPool pool(device_, &worker_, memory_, {.stock = {{.size = 4096, .count = 100}}});
  for (int i = 0; i < 100; ++i) {
    Bo& bo = pool.begin_stock(now());
    pool.stock_created(bo, device_.create(ArenaId{0}, BoKind::kPlain, bo.key.size), now());
  }
  pool.shrink_to(1, now());
  EXPECT_EQ(pool.amount(BoState::kStocked).count, 100u) << "half a cache takes nothing of it";
  pool.shrink_to(0, now());
  EXPECT_EQ(pool.amount(BoState::kStocked).count, 36u);
  while (pool.tick(now()).more) continue;
  EXPECT_EQ(pool.amount(BoState::kStocked).count, 0u);
}

}  // namespace
}  // namespace panbo
