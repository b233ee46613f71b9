// What is held by others after its release: how often the pool looks at it, and when a request needs the memory.
#include "tests/unit/core/bo_pool_rig.h"

namespace panbo {
namespace {

class BoPoolHeldTest : public BoPoolRig {
 protected:
  BoPoolHeldTest() : BoPoolRig({.headroom_share = 0}) {}
};

TEST_F(BoPoolHeldTest, HoweverManyAUserHoldsTheLooksAreBoundedInATickAndInASecond) {
  for (int i = 0; i < 65'536; ++i) hold();
  device_.looks = 0;
  int most_in_a_tick = 0;
  for (const Time end = now() + std::chrono::seconds(10); *pool_.next_deadline() < end;) {
    clock_.advance(std::max(*pool_.next_deadline() - now(), Duration::zero()));
    const int before = device_.looks;
    pool_.tick(now());
    most_in_a_tick = std::max(most_in_a_tick, device_.looks - before);
  }
  RecordProperty("looks", device_.looks);
  RecordProperty("most_in_a_tick", most_in_a_tick);
  EXPECT_LE(most_in_a_tick, 32);
  EXPECT_LE(device_.looks, 20'128);
  EXPECT_GE(device_.looks, 19'000);
}

TEST_F(BoPoolHeldTest, WhatAUserHoldsDoesNotDelayAnothersComingBack) {
  for (int i = 0; i < 10'000; ++i) hold();
  run_for(std::chrono::seconds(1));
  const uint32_t handle = hold({.domain = DomainId{2000}, .size = 4096});
  run_for(std::chrono::milliseconds(100));
  device_.bo(handle).others = 0;
  run_for(std::chrono::milliseconds(20));
  EXPECT_EQ(pool_.ready().count, 1u);
}

TEST_F(BoPoolHeldTest, ARequestThatFindsNoMemoryLooksAndDoesNotWaitForTheNextLook) {
  const uint32_t handle = hold();
  run_for(std::chrono::seconds(90));
  device_.bo(handle).others = 0;
  EXPECT_EQ(pool_.ready().count, 0u) << "the next look is seconds away";
  EXPECT_FALSE(pool_.look_at_held(UserId{2000}, 4096, now()));
  EXPECT_EQ(pool_.ready().count, 1u);
}

TEST_F(BoPoolHeldTest, ARequestLooksInPiecesUntilItHasFoundEnough) {
  std::vector<uint32_t> handles;
  for (int i = 0; i < 100; ++i) handles.push_back(hold());
  clock_.advance(std::chrono::milliseconds(1));
  device_.looks = 0;
  EXPECT_TRUE(pool_.look_at_held(kUser, 4096, now())) << "it has found nothing in the first 32";
  EXPECT_EQ(device_.looks, 32);
  for (const uint32_t handle : handles) device_.bo(handle).others = 0;
  EXPECT_FALSE(pool_.look_at_held(kUser, 8192, now()));
  EXPECT_EQ(device_.looks, 34);
  EXPECT_EQ(pool_.ready().count, 2u);
}

TEST_F(BoPoolHeldTest, ManyRequestsDoNotLookAgainAtWhatWasLookedAtJustNow) {
  for (int i = 0; i < 10; ++i) hold();
  clock_.advance(std::chrono::milliseconds(1));
  device_.looks = 0;
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(pool_.look_at_held(kUser, 1 << 20, now()));
  EXPECT_EQ(device_.looks, 10);
}

TEST_F(BoPoolHeldTest, WhenTooManyAreHeldTheUserWhoHoldsMostGivesOneUp) {
  BoPool pool(device_, nullptr, memory_, {.held_max = 3});
  std::vector<uint32_t> handles;
  for (const uint32_t user : {1000, 2000, 2000, 2000}) {
    Bo& bo = pool.begin_create({.domain = DomainId{user}, .size = 4096}, borrower(UserId{user}), now());
    pool.lend_created(bo, *device_.create(ArenaId{0}, BoKind::kPlain, 4096), now());
    handles.push_back(bo.device.handle);
    device_.bo(bo.device.handle).others = 1;
    pool.release(bo, now());
    for (const Time end = now() + std::chrono::seconds(1); *pool.next_deadline() < end;) {
      clock_.advance(*pool.next_deadline() - now());
      pool.tick(now());
    }
  }
  EXPECT_TRUE(device_.exists(handles[0])) << "held longest, by somebody who holds little";
  EXPECT_TRUE(device_.exists(handles[3])) << "held for the shortest time";
  EXPECT_EQ(device_.bo_count(), 3u);
}

}  // namespace
}  // namespace panbo
