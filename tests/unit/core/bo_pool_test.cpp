#include "daemon/core/bo_pool.h"

#include "tests/unit/core/bo_pool_rig.h"

namespace panbo {
namespace {

class BoPoolTest : public BoPoolRig {
 protected:
  BoPoolTest() : BoPoolRig({.cache_max = 64 * 1024}) {}
};

TEST_F(BoPoolTest, AnIdleBoIsReadyAtOnceAndEvictable) {
  Bo& bo = lend();
  const uint32_t handle = bo.device.handle;
  pool_.release(bo, now());
  EXPECT_EQ(bo.state, BoState::kReady);
  EXPECT_TRUE(device_.bo(handle).evictable);
  EXPECT_EQ(device_.watched(), 0u);
}

TEST_F(BoPoolTest, AnUnusedCacheIsEmptyAfterItsDecayTimeAndThenWakesNobody) {
  for (int i = 0; i < 8; ++i) pool_.release(lend(), now());
  run_for(std::chrono::milliseconds(8750));
  EXPECT_NEAR(static_cast<double>(pool_.amount(BoState::kReady).count), 4, 1);
  run_for(std::chrono::milliseconds(1250));
  EXPECT_EQ(device_.bo_count(), 0u);
  EXPECT_EQ(pool_.next_deadline(), std::nullopt);
}

TEST_F(BoPoolTest, DecayWakesUpOnlyForABoThatIsDue) {
  BoPool pool(device_, nullptr, memory_, {.headroom_share = 0});
  for (int i = 0; i < 8; ++i) {
    Bo& bo = pool.begin_create(kKey, borrower(), now());
    pool.lend_created(bo, *device_.create(ArenaId{0}, BoKind::kPlain, 4096), now());
    pool.release(bo, now());
  }
  int wakeups = 0;
  for (; pool.next_deadline(); ++wakeups) {
    clock_.advance(*pool.next_deadline() - now());
    pool.tick(now());
  }
  EXPECT_LE(wakeups, 8 + 1);
}

TEST_F(BoPoolTest, TheCacheLeavesTheBoardItsHeadroom) {
  memory_.bytes = 4 * 8 * 4096;
  for (int i = 0; i < 8; ++i) pool_.release(lend(), now());
  EXPECT_EQ(pool_.ready().count, 8u);
  memory_.bytes = 4 * 3 * 4096;
  run_for(std::chrono::milliseconds(250));
  EXPECT_EQ(pool_.ready().count, 3u);
}

TEST_F(BoPoolTest, HeadroomIsLookedAtWhenSomethingEntersTheCache) {
  for (int i = 0; i < 8; ++i) pool_.release(lend(), now());
  memory_.bytes = 0;
  clock_.advance(std::chrono::milliseconds(20));
  pool_.release(lend(), now());
  EXPECT_EQ(pool_.ready().count, 0u);
}

TEST_F(BoPoolTest, HeadroomDoesNotTickWhileTheCacheIsEmpty) {
  lend();
  EXPECT_EQ(pool_.next_deadline(), std::nullopt);
}

TEST_F(BoPoolTest, WhoeverHasABoIsChargedForItUntilItIsReady) {
  Bo& bo = lend();
  const uint32_t handle = bo.device.handle;
  device_.bo(handle).busy = true;
  pool_.release(bo, now());
  EXPECT_EQ(account_->used().bos, 1u) << "still draining";
  finish_job(handle);
  EXPECT_EQ(account_->used().bos, 0u);
}

TEST_F(BoPoolTest, WhatIsRetiredIsDestroyedByTheWorkerWhateverItsSize) {
  BoPool pool(device_, &worker_, memory_, {});
  for (const uint64_t size : {uint64_t{4096}, uint64_t{8192}}) {
    Bo& bo = pool.begin_create({.domain = kKey.domain, .size = size}, borrower(), now());
    pool.lend_created(bo, *device_.create(ArenaId{0}, BoKind::kPlain, size), now());
    pool.release(bo, now());
  }
  EXPECT_EQ(pool.evict_all(kEvictPiece, now()).amount, (Amount{2, 12288}));
  EXPECT_EQ(device_.bo_count(), 2u);
  EXPECT_EQ(pool.memory(), 0u);
  EXPECT_EQ(pool.coming(), 12288u) << "not free yet, but on its way";
  worker_.on_destroyed = [&](uint64_t bytes) { pool.on_destroyed(bytes, now()); };
  worker_.work_all();
  EXPECT_EQ(device_.bo_count(), 0u);
  EXPECT_EQ(pool.coming(), 0u);
}

TEST_F(BoPoolTest, WhatIsUsedAgainAndAgainDoesNotDecay) {
  pool_.release(lend(), now());
  for (int i = 0; i < 600; ++i) {
    Bo* bo = lend_ready();
    ASSERT_NE(bo, nullptr) << i;
    pool_.release(*bo, now());
    run_for(std::chrono::milliseconds(50));
  }
}

TEST_F(BoPoolTest, ABusyBoIsReadyWhenItsJobEndsAndNotBefore) {
  Bo& bo = lend();
  const uint32_t handle = bo.device.handle;
  device_.bo(handle).busy = true;
  pool_.release(bo, now());
  EXPECT_EQ(bo.state, BoState::kDraining);
  EXPECT_EQ(pool_.next_deadline(), std::nullopt) << "no timer watches a busy BO";
  EXPECT_EQ(lend_ready(), nullptr);
  finish_job(handle);
  EXPECT_EQ(lend_ready(), &bo);
  EXPECT_FALSE(device_.bo(handle).evictable) << "lent BOs are not the kernel's to take";
}

TEST_F(BoPoolTest, AHeldBoIsReadyOnceNobodyElseHasIt) {
  Bo& bo = lend();
  FakeDevice::FakeBo& fake = device_.bo(bo.device.handle);
  fake.others = 1;
  pool_.release(bo, now());
  EXPECT_EQ(bo.state, BoState::kHeld);
  run_for(std::chrono::seconds(1));
  EXPECT_EQ(bo.state, BoState::kHeld);
  fake.others = 0;
  run_for(std::chrono::milliseconds(125));
  EXPECT_EQ(bo.state, BoState::kReady);
}

TEST_F(BoPoolTest, ABoThatTheKernelRefusesToMakeEvictableIsHeld) {
  Bo& bo = lend();
  device_.bo(bo.device.handle).imports = 1;
  pool_.release(bo, now());
  EXPECT_EQ(bo.state, BoState::kHeld);
}

TEST_F(BoPoolTest, AJobThatAHolderLeftBehindKeepsABoHeld) {
  Bo& bo = lend();
  FakeDevice::FakeBo& fake = device_.bo(bo.device.handle);
  fake.others = 1;
  pool_.release(bo, now());
  fake.others = 0;
  fake.busy = true;
  run_for(std::chrono::milliseconds(200));
  EXPECT_EQ(bo.state, BoState::kHeld);
  finish_job(bo.device.handle);
  run_for(std::chrono::milliseconds(64));
  EXPECT_EQ(bo.state, BoState::kReady);
}

TEST_F(BoPoolTest, LooksAtAHeldBoEverMoreSlowlyAndKeepsItCharged) {
  Bo& bo = lend();
  FakeDevice::FakeBo& fake = device_.bo(bo.device.handle);
  fake.others = 1;
  pool_.release(bo, now());
  EXPECT_LE(run_for(std::chrono::seconds(10)), 130);
  EXPECT_LE(run_for(std::chrono::hours(1)), 2 * 60 + 90);
  EXPECT_LE(run_for(std::chrono::hours(1)), 60);
  EXPECT_EQ(bo.state, BoState::kHeld);
  EXPECT_EQ(account_->used().bos, 1u) << "whoever keeps it pays for it";
  fake.others = 0;
  run_for(std::chrono::seconds(100));
  EXPECT_EQ(device_.bo_count(), 0u);
  EXPECT_EQ(account_->used().bos, 0u);
  EXPECT_EQ(pool_.next_deadline(), std::nullopt);
}

TEST_F(BoPoolTest, ManyBosThatAreHeldForLongAreLookedAtTogether) {
  for (int i = 0; i < 100; ++i) {
    Bo& bo = lend();
    device_.bo(bo.device.handle).others = 1;
    pool_.release(bo, now());
    run_for(std::chrono::milliseconds(777));
  }
  run_for(std::chrono::hours(1));
  EXPECT_LE(run_for(std::chrono::hours(1)), 2 * 60);
  EXPECT_EQ(pool_.amount(BoState::kHeld).count, 100u);
}

TEST_F(BoPoolTest, WhenTooManyAreHeldTheOneThatIsHeldLongestIsGivenUp) {
  BoPool pool(device_, nullptr, memory_, {.held_max = 2});
  std::vector<uint32_t> handles;
  for (int i = 0; i < 3; ++i) {
    Bo& bo = pool.begin_create(kKey, borrower(), now());
    pool.lend_created(bo, *device_.create(ArenaId{0}, BoKind::kPlain, 4096), now());
    handles.push_back(bo.device.handle);
    device_.bo(bo.device.handle).others = 1;
    pool.release(bo, now());
    for (const Time end = now() + std::chrono::seconds(1); *pool.next_deadline() < end;) {
      clock_.advance(*pool.next_deadline() - now());
      pool.tick(now());
    }
  }
  EXPECT_FALSE(device_.exists(handles[0]));
  EXPECT_TRUE(device_.exists(handles[1]));
  EXPECT_TRUE(device_.exists(handles[2]));
  EXPECT_EQ(device_.watched(), 2u);
}

TEST_F(BoPoolTest, ALargeBoGoesWhenItsLifetimeEndsAndSmallOnesStay) {
  BoPool pool(device_, nullptr, memory_, {});
  const auto lend_from = [&](uint64_t size) -> Bo& {
    Bo& bo = pool.begin_create({.domain = DomainId{1}, .size = size}, borrower(), now());
    pool.lend_created(bo, *device_.create(ArenaId{0}, BoKind::kPlain, size), now());
    return bo;
  };
  Bo& large = lend_from(uint64_t{1} << 20);
  Bo& small = lend_from(4096);
  pool.release(large, now());
  pool.release(small, now());
  clock_.advance(std::chrono::milliseconds(49));
  pool.tick(now());
  EXPECT_EQ(pool.ready().count, 2u);
  clock_.advance(std::chrono::milliseconds(1));
  ASSERT_LE(pool.next_deadline(), now());
  pool.tick(now());
  EXPECT_EQ(pool.ready(), (Amount{1, 4096}));
}

TEST_F(BoPoolTest, ALifetimeBeginsAnewWhenTheBoIsUsedAndIsLongerIfItRecurs) {
  BoPool pool(device_, nullptr, memory_, {});
  const BoKey key{.domain = DomainId{1}, .size = uint64_t{1} << 20};
  Bo& bo = pool.begin_create(key, borrower(), now());
  pool.lend_created(bo, *device_.create(ArenaId{0}, key.kind, key.size), now());
  pool.release(bo, now());
  for (int i = 0; i < 20; ++i) {
    clock_.advance(std::chrono::milliseconds(40));
    pool.tick(now());
    Borrower someone = borrower();
    ASSERT_EQ(pool.lend_ready(key, someone, now()), &bo) << i;
    pool.release(bo, now());
  }
  clock_.advance(std::chrono::seconds(2));
  pool.tick(now());
  EXPECT_EQ(pool.ready().count, 1u);
  clock_.advance(std::chrono::seconds(2));
  pool.tick(now());
  EXPECT_EQ(pool.ready().count, 0u);
}

TEST_F(BoPoolTest, AHeapIsNotCached) {
  const BoKey heap{.domain = DomainId{1}, .kind = BoKind::kHeap, .size = 32 * 1024};
  pool_.release(lend(), now());
  pool_.release(lend(heap), now());
  EXPECT_EQ(pool_.ready(), (Amount{1, 4096}));
  EXPECT_EQ(device_.bo_count(), 1u);
}

TEST_F(BoPoolTest, APurgedBoIsNotLent) {
  pool_.release(lend(), now());
  device_.purge();
  EXPECT_EQ(lend_ready(), nullptr);
  EXPECT_EQ(pool_.purged(), (Amount{1, 4096}));
  EXPECT_EQ(device_.bo_count(), 0u);
}

TEST_F(BoPoolTest, TheByteCapEvictsTheLeastRecentlyUsed) {
  Bo& oldest = lend();
  Bo& second = lend();
  const uint32_t oldest_handle = oldest.device.handle;
  pool_.release(oldest, now());
  pool_.release(second, now());
  Bo& large = lend({.domain = DomainId{2}, .size = 60 * 1024});
  pool_.release(large, now());
  EXPECT_FALSE(device_.exists(oldest_handle));
  EXPECT_EQ(second.state, BoState::kReady);
  EXPECT_EQ(pool_.amount(BoState::kReady), (Amount{2, 64 * 1024}));
  EXPECT_EQ(pool_.evicted(), (Amount{1, 4096}));
}

TEST_F(BoPoolTest, ABoLargerThanTheCapIsNotCachedAndEvictsNobody) {
  pool_.release(lend(), now());
  pool_.release(lend({.domain = DomainId{1}, .size = 128 * 1024}), now());
  EXPECT_EQ(pool_.amount(BoState::kReady), (Amount{1, 4096}));
}

TEST_F(BoPoolTest, EvictsAsManyBytesAsAskedOldestFirst) {
  for (int i = 0; i < 4; ++i) pool_.release(lend(), now());
  EXPECT_EQ(pool_.evict_bytes(5000, kEvictPiece, now()).amount, (Amount{2, 8192}));
  EXPECT_EQ(pool_.evict_all(kEvictPiece, now()).amount, (Amount{2, 8192}));
  EXPECT_EQ(device_.bo_count(), 0u);
}

TEST_F(BoPoolTest, EvictsAUsersBosOnly) {
  make_ready(1);
  Bo& other = lend({.domain = DomainId{2000}, .size = 4096});
  pool_.release(other, now());
  EXPECT_EQ(pool_.evict_user(kUser, kEvictPiece, now()).amount, (Amount{1, 4096}));
  EXPECT_EQ(other.state, BoState::kReady);
}

TEST_F(BoPoolTest, ABoThatCannotBeWatchedIsRetiredRatherThanGuessedAbout) {
  Bo& bo = lend();
  device_.watch_failures = {Errno{EMFILE}};
  pool_.release(bo, now());
  EXPECT_EQ(device_.bo_count(), 0u);
}

TEST_F(BoPoolTest, ABoNobodyReceivedGoesBackWithoutBeingWatched) {
  Bo& bo = lend();
  device_.watch_failures = {Errno{EMFILE}};
  pool_.take_back_unsent(bo, now());
  EXPECT_EQ(bo.state, BoState::kReady);
}

TEST_F(BoPoolTest, DestroysEverythingAtItsEnd) {
  {
    BoPool pool(device_, nullptr, memory_, {});
    for (int i = 0; i < 3; ++i) {
      Bo& bo = pool.begin_create(kKey, borrower(), now());
      pool.lend_created(bo, *device_.create(ArenaId{0}, BoKind::kPlain, 4096), now());
      device_.bo(bo.device.handle).busy = i == 0;
      if (i < 2) pool.release(bo, now());
    }
    EXPECT_EQ(device_.bo_count(), 3u);
  }
  EXPECT_EQ(device_.bo_count(), 0u);
}

}  // namespace
}  // namespace panbo
