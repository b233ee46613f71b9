// What is refused before anything is done for it, and what counts as there.
#include "daemon/service/alloc_flags.h"
#include "tests/unit/service/board_rig.h"

namespace panbo {
namespace {

using namespace std::chrono_literals;

class AdmissionTest : public BoardTest {};

TEST_F(AdmissionTest, ABatchThatTheBoardCannotHoldIsRefusedBeforeAnyOfItIsMade) {
  const auto client = connect();
  client->alloc(std::vector<uint64_t>(8, 256 * kMiB));
  EXPECT_EQ(client->failure(), FailureKind::kOutOfMemory);
  worker_.work_all();
  EXPECT_EQ(device_.creations(), 0);
}

TEST_F(AdmissionTest, ABatchThatItsQuotaCanNeverHoldIsRefusedBeforeAnyOfItIsMade) {
  const auto client = connect();
  client->alloc(std::vector<uint64_t>(60, 100 * kMiB), 10s);
  EXPECT_EQ(client->failure(), FailureKind::kOverQuota);
  worker_.work_all();
  EXPECT_EQ(device_.creations(), 0);
}

TEST_F(AdmissionTest, ARequestLargerThanTheTotalBudgetIsRefusedHoweverLongItMayWait) {
  board_memory_.size = 16384 * kMiB;
  const auto client = connect();
  client->alloc({2500 * kMiB, 2000 * kMiB}, 10s);
  EXPECT_EQ(client->failure(), FailureKind::kOutOfMemory);
}

TEST_F(AdmissionTest, AnExecutableThatFitsIntoNoArenaIsRefusedAndCostsNobodyAnything) {
  board_memory_.size = 8192 * kMiB;
  const auto other = connect(2000);
  other->release(large(*other, kMiB));
  const auto client = connect();
  client->alloc({2048 * kMiB}, 10s, kAllocExecutable);
  EXPECT_EQ(client->failure(), FailureKind::kInvalidArgument);
  worker_.work_all();
  EXPECT_EQ(device_.arenas(), 1u);
  EXPECT_EQ(board_stats().ready.count, 1u);
}

TEST_F(AdmissionTest, WhatIsBeingMadeCountsAsGone) {
  const auto first = connect();
  const auto second = connect();
  first->alloc({700 * kMiB});
  second->alloc({700 * kMiB});
  EXPECT_EQ(second->failure(), FailureKind::kOutOfMemory);
  worker_.work_all();
  EXPECT_NE(first->last<GrantedReply>(), nullptr);
  EXPECT_EQ(device_.creations(), 1);
}

TEST_F(AdmissionTest, WhatIsBeingDestroyedCountsAsThere) {
  const auto client = connect();
  const Grant old = large(*client, 700 * kMiB);
  client->release(old);
  evict(board_, EvictAll{});
  client->alloc({800 * kMiB});
  EXPECT_EQ(client->last<FailureReply>(), nullptr);
  worker_.work_all();
  EXPECT_NE(client->last<GrantedReply>(), nullptr);
}

TEST_F(AdmissionTest, WhatIsReadyIsUsedByTheRequestThatWantsItAndNotEvictedForIt) {
  const auto client = connect();
  const Grant first = large(*client, 500 * kMiB);
  const Grant second = large(*client, 400 * kMiB);
  client->release(second);
  client->release(first);
  client->alloc({500 * kMiB, 400 * kMiB, 100 * kMiB});
  worker_.work_all();
  ASSERT_NE(client->last<GrantedReply>(), nullptr);
  EXPECT_EQ(client->last<GrantedReply>()->grants[0].origin, Origin::kCached);
  EXPECT_EQ(client->last<GrantedReply>()->grants[1].origin, Origin::kCached);
}

TEST_F(AdmissionTest, LargeMemoryThatIsAskedBackReachesTheAsker) {
  const auto keeper = connect(2000, true);
  const Grant kept = large(*keeper, 800 * kMiB);
  bool wake = false;
  static_cast<void>(free_lease(keeper->table[kept.slot], keeper->table[kept.slot], keeper->table[0], wake));
  keeper->send(LeasesUnusedRequest{});
  const auto asker = connect();
  asker->alloc({600 * kMiB});
  run_for(5ms);
  ASSERT_EQ(lease_use(keeper->table[kept.slot]), LeaseUse::kTaken);
  keeper->release(kept);
  worker_.work_all();
  run_for(5ms);
  worker_.work_all();
  ASSERT_NE(asker->last<GrantedReply>(), nullptr);
}

TEST_F(AdmissionTest, ACreationThatFailsGivesItsQuotaToWhoWaitsForIt) {
  const auto client = connect();
  device_.create_failures = {Errno{EIO}};
  board_memory_.size = 16384 * kMiB;
  client->alloc({2000 * kMiB, 1000 * kMiB});
  client->alloc({2500 * kMiB}, 10s);
  EXPECT_EQ(client->last<FailureReply>(), nullptr);
  worker_.work_all();
  worker_.work_all();
  ASSERT_NE(client->last<GrantedReply>(), nullptr);
  EXPECT_EQ(client->last<GrantedReply>()->grants[0].origin, Origin::kWaited);
}

TEST_F(AdmissionTest, MemoryThatOtherProgramsGiveBackReachesWhoWaitsForIt) {
  board_memory_.others = 1000 * kMiB;
  const auto client = connect();
  client->alloc({100 * kMiB}, 10s);
  run_for(1s);
  EXPECT_EQ(client->replies.size(), 1u);
  board_memory_.others = 0;
  run_for(150ms);
  worker_.work_all();
  EXPECT_NE(client->last<GrantedReply>(), nullptr);
}

TEST_F(AdmissionTest, WhatNobodyWaitsForAnyMoreIsNotMade) {
  for (int i = 0; i < 100; ++i) {
    const auto client = connect();
    client->alloc({kMiB});
  }
  worker_.work_all();
  EXPECT_EQ(device_.creations(), 0);
  EXPECT_EQ(board_stats().ready.count, 0u);
}

TEST_F(AdmissionTest, ARequestThatWaitsHoldsNothing) {
  const auto client = connect();
  client->release(client->must_alloc(4096));
  client->alloc({4096, 2000 * kMiB}, 10s);
  run_for(1s);
  EXPECT_EQ(client->must_alloc(4096).origin, Origin::kCached);
}

TEST_F(AdmissionTest, OneUsersWaitingRequestsDoNotKeepExtrasFromAnother) {
  const auto waits = connect(2000);
  waits->alloc({2000 * kMiB}, 10s);
  const auto client = connect(1000, true);
  client->alloc({4096, 4096});
  const auto grants = client->last<GrantedReply>()->grants;
  for (const Grant& grant : grants) client->release(grant);
  client->send(AllocRequest{.items = {{.size = 4096, .extra = 1}}});
  EXPECT_EQ(client->last<GrantedReply>()->grants.size(), 2u);
}

}  // namespace
}  // namespace panbo
