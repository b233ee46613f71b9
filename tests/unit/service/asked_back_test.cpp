// Requests that wait for what others keep unused.

#include <algorithm>

#include "tests/unit/service/local_cache_rig.h"

namespace panbo {
namespace {

class AskedBackTest : public LocalCacheTest {
 protected:
  static constexpr uint64_t kBoard = 8 * kMiB;
  AskedBackTest() { device_.memory_limit = kBoard; }
  /// What is due now, and as much of what is due a moment later.
  void tick_now(Service& service) {
    while (service.next_deadline() && *service.next_deadline() <= clock_.now()) {
      service.tick();
      settle(service);
    }
  }
};

TEST_F(AskedBackTest, ARequestWaitsForMemoryThatIsThereEvenIfItsCallerDoesNot) {
  const auto keeper = join_with_table(2000);
  const Grant kept = keeper->must_alloc(5 * kMiB);
  free(*keeper, kept);
  const auto asker = join();
  asker->alloc({5 * kMiB});
  EXPECT_EQ(asker->last<GrantedReply>(), nullptr);
  EXPECT_EQ(asker->last<FailureReply>(), nullptr);
  EXPECT_FALSE(taken(*keeper, kept)) << "the tables are looked at in the next tick";
  run_for(0ms);
  ASSERT_TRUE(taken(*keeper, kept));
  keeper->release(kept);
  ASSERT_NE(asker->last<GrantedReply>(), nullptr);
  EXPECT_EQ(asker->last<GrantedReply>()->grants[0].origin, Origin::kWaited);
}

TEST_F(AskedBackTest, ItWaitsForAShortGraceOnly) {
  const auto keeper = join_with_table(2000);
  free(*keeper, keeper->must_alloc(5 * kMiB));
  const auto asker = join();
  asker->alloc({5 * kMiB});
  run_for(99ms);
  EXPECT_EQ(asker->last<FailureReply>(), nullptr);
  run_for(1ms);
  ASSERT_NE(asker->last<FailureReply>(), nullptr);
  EXPECT_EQ(asker->failure(), FailureKind::kOutOfMemory);
  asker->alloc({5 * kMiB});
  EXPECT_EQ(asker->replies.size(), 3u) << "what did not come in time is not waited for again";
}

TEST_F(AskedBackTest, WithNothingUnusedItFailsWhenTheTablesWereLookedAt) {
  const auto holder = join_with_table(2000);
  holder->must_alloc(5 * kMiB);
  const auto asker = join();
  asker->alloc({5 * kMiB});
  EXPECT_EQ(asker->last<FailureReply>(), nullptr) << "the holder's word that something is unused may be on its way";
  run_for(0ms);
  EXPECT_EQ(asker->failure(), FailureKind::kOutOfMemory);
  EXPECT_EQ(service_.next_deadline(), std::nullopt);
}

TEST_F(AskedBackTest, WhereNobodyHasEnoughInATableItFailsAtOnce) {
  const auto holder = join(2000);
  holder->must_alloc(4 * kMiB);
  join_with_table(2000)->must_alloc(kMiB);
  const auto asker = join();
  asker->alloc({5 * kMiB});
  EXPECT_EQ(asker->failure(), FailureKind::kOutOfMemory);
  EXPECT_EQ(service_.next_deadline(), std::nullopt) << "nobody looks at any table for that";
}

TEST_F(AskedBackTest, WhatCannotHelpIsNotTakenHoweverLongSomebodyWaits) {
  const auto keeper = join_with_table(2000);
  const Grant kept = keeper->must_alloc(kMiB);
  const auto holder = join(2000);
  holder->must_alloc(6 * kMiB);
  const auto asker = join();
  asker->alloc({5 * kMiB}, 10s);
  for (int i = 0; i < 30; ++i) {
    free(*keeper, kept);
    run_for(300ms);
    EXPECT_EQ(stats().taken, Amount{});
    ASSERT_TRUE(use_lease(keeper->table[kept.slot], keeper->table[kept.slot])) << "scan " << i;
  }
  run_for(2s);
  EXPECT_EQ(asker->failure(), FailureKind::kTimedOut);
}

TEST_F(AskedBackTest, TheAskersOwnUserGivesFirstAndThenWhoeverHasMost) {
  const auto own = join_with_table(1000), poor = join_with_table(2000), rich = join_with_table(3000);
  const Grant poors = poor->must_alloc(kMiB);
  free(*poor, poors);
  run_for(250ms);
  const Grant riches[] = {rich->must_alloc(kMiB), rich->must_alloc(kMiB), rich->must_alloc(kMiB)};
  for (const Grant& grant : riches) free(*rich, grant);
  run_for(250ms);
  const Grant owns = own->must_alloc(kMiB);
  free(*own, owns);
  run_for(250ms);
  device_.memory_limit = 5 * kMiB;
  const auto asker = join(1000);
  asker->alloc({kMiB});
  run_for(0ms);
  EXPECT_TRUE(taken(*own, owns)) << "though it was unused last of all";
  EXPECT_FALSE(taken(*rich, riches[0]));
  asker->alloc({kMiB});
  asker->alloc({kMiB});
  run_for(0ms);
  EXPECT_TRUE(taken(*rich, riches[0]));
  EXPECT_FALSE(taken(*poor, poors)) << "though it was unused first of all";
}

TEST_F(AskedBackTest, AtTheBudgetOnlyWhatIsMissingIsTaken) {
  options_.room.total_max = 8 * kMiB;
  device_.memory_limit = UINT64_MAX;
  Service service(device_, nullptr, memory_, clock_, options_);
  FakeClient keeper(service, 2000);
  keeper.send(HelloRequest{.protocol_version = 1, .lease_table = true});
  std::vector<Grant> kept;
  for (int i = 0; i < 6; ++i) {
    kept.push_back(keeper.must_alloc(kMiB));
    free(keeper, kept.back());
    tick_now(service);
  }
  FakeClient asker(service, 1000);
  asker.hello();
  asker.alloc({9 * kMiB});
  EXPECT_EQ(asker.failure(), FailureKind::kOutOfMemory);
  EXPECT_FALSE(taken(keeper, kept[0])) << "all of it would not be enough";
  asker.alloc({4 * kMiB});
  tick_now(service);
  EXPECT_TRUE(taken(keeper, kept[0]));
  EXPECT_TRUE(taken(keeper, kept[1]));
  EXPECT_FALSE(taken(keeper, kept[2]));
  keeper.release(kept[0]);
  EXPECT_EQ(asker.last<GrantedReply>(), nullptr);
  keeper.release(kept[1]);
  EXPECT_NE(asker.last<GrantedReply>(), nullptr);
}

TEST_F(AskedBackTest, AQuotaThatOthersOfTheUserFillWithUnusedLeasesIsMadeRoomIn) {
  device_.memory_limit = UINT64_MAX;
  const auto keeper = join_with_table(1000);
  const auto stranger = join_with_table(2000);
  const Grant others = stranger->must_alloc(4096);
  free(*stranger, others);
  keeper->alloc(std::vector<uint64_t>(60, 4096));
  const auto kept = keeper->last<GrantedReply>()->grants;
  for (const Grant& grant : kept) free(*keeper, grant);
  const auto asker = join(1000);
  asker->alloc(std::vector<uint64_t>(50, 8192));
  ASSERT_NE(asker->last<GrantedReply>(), nullptr);
  // 150 BOs is what the user may have.
  asker->alloc(std::vector<uint64_t>(45, 8192));
  run_for(0ms);
  EXPECT_EQ(std::count_if(kept.begin(), kept.end(), [&](const Grant& grant) { return taken(*keeper, grant); }), 5);
  EXPECT_FALSE(taken(*stranger, others));
  for (const Grant& grant : kept) {
    if (taken(*keeper, grant)) keeper->release(grant);
  }
  EXPECT_EQ(asker->last<GrantedReply>()->grants.size(), 45u);
}

TEST_F(AskedBackTest, WhoWaitsIsServedFromWhatIsFreedLater) {
  const auto keeper = join_with_table(2000);
  const Grant kept = keeper->must_alloc(5 * kMiB);
  const auto asker = join();
  asker->alloc({5 * kMiB}, 10s);
  run_for(3s);
  free(*keeper, kept);
  run_for(250ms);
  ASSERT_TRUE(taken(*keeper, kept));
  keeper->release(kept);
  EXPECT_NE(asker->last<GrantedReply>(), nullptr);
}

}  // namespace
}  // namespace panbo
