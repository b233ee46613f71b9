#include "tests/unit/service/service_rig.h"

namespace panbo {
namespace {

TEST_F(ServiceTest, LendsAFreshBoAndThenTheSameAgainFromTheCache) {
  const auto first = join();
  const Grant fresh = first->must_alloc(kMiB);
  EXPECT_EQ(fresh.origin, Origin::kFresh);
  first->release(fresh);
  const auto second = join();
  const Grant cached = second->must_alloc(kMiB);
  EXPECT_EQ(cached.origin, Origin::kCached);
  EXPECT_EQ(cached.bo.handle, fresh.bo.handle);
  EXPECT_NE(cached.lease, fresh.lease);
  EXPECT_EQ(stats().leased, (Amount{1, kMiB}));
  EXPECT_EQ(stats().requests, 2u);
  EXPECT_EQ(stats().cached, 1u);
  EXPECT_EQ(stats().fresh, 1u);
}

TEST_F(ServiceTest, ABusyBoIsNotLentBeforeItsJobEnds) {
  const auto client = join();
  const Grant busy = client->must_alloc(kMiB);
  device_.bo(busy.bo.handle).busy = true;
  client->release(busy);
  EXPECT_NE(client->must_alloc(kMiB).bo.handle, busy.bo.handle);
  finish_job(busy);
  EXPECT_EQ(client->must_alloc(kMiB).bo.handle, busy.bo.handle);
}

TEST_F(ServiceTest, AnotherUserNeverGetsIt) {
  const auto client = join(1000);
  client->release(client->must_alloc(kMiB));
  EXPECT_EQ(join(2000)->must_alloc(kMiB).origin, Origin::kFresh);
}

TEST_F(ServiceTest, TakesEverythingBackFromAClientThatLeaves) {
  auto client = join();
  client->must_alloc(kMiB);
  client->must_alloc(2 * kMiB);
  client.reset();
  EXPECT_EQ(stats().leased, Amount{});
  EXPECT_EQ(stats().ready, (Amount{2, 3 * kMiB}));
}

TEST_F(ServiceTest, GrantsABatchWholeOrNotAtAll) {
  device_.memory_limit = 3 * kMiB;
  const auto client = join();
  client->alloc({kMiB, kMiB});
  ASSERT_NE(client->last<GrantedReply>(), nullptr);
  EXPECT_EQ(client->last<GrantedReply>()->grants.size(), 2u);
  client->alloc({kMiB, kMiB});
  EXPECT_EQ(client->failure(), FailureKind::kOutOfMemory);
  EXPECT_EQ(stats().leased, (Amount{2, 2 * kMiB}));
  EXPECT_EQ(stats().failed, 2u);
}

TEST_F(ServiceTest, SaysWhoHoldsTheMemoryThatIsMissing) {
  device_.memory_limit = 3 * kMiB;
  const auto holder = join(1000);
  holder->must_alloc(2 * kMiB);
  const auto asker = join(2000);
  asker->alloc({2 * kMiB});
  ASSERT_EQ(shortages_.size(), 1u);
  EXPECT_EQ(shortages_[0].asked_bytes, 2 * kMiB);
  EXPECT_EQ(shortages_[0].client.peer.uid, 2000u);
  ASSERT_EQ(shortages_[0].largest_holders.size(), 2u);
  EXPECT_EQ(shortages_[0].largest_holders[0].peer.uid, 1000u);
}

TEST_F(ServiceTest, WaitsForABusyBoUpToTheDeadlineIfAllowed) {
  device_.memory_limit = 2 * kMiB;
  const auto client = join();
  const Grant busy = client->must_alloc(2 * kMiB);
  device_.bo(busy.bo.handle).busy = true;
  client->release(busy);
  const size_t before = client->replies.size();
  client->alloc({2 * kMiB}, std::chrono::seconds(1));
  EXPECT_EQ(client->replies.size(), before);
  finish_job(busy);
  ASSERT_EQ(client->replies.size(), before + 1);
  EXPECT_EQ(client->last<GrantedReply>()->grants.at(0).origin, Origin::kWaited);
  EXPECT_EQ(stats().waited, 1u);
  EXPECT_EQ(service_.next_deadline(), std::nullopt);
}

TEST_F(ServiceTest, GivesUpAtTheDeadline) {
  device_.memory_limit = kMiB;
  const auto client = join();
  client->must_alloc(kMiB);
  client->alloc({kMiB}, std::chrono::seconds(1));
  clock_.advance(std::chrono::milliseconds(999));
  tick();
  EXPECT_EQ(client->last<FailureReply>(), nullptr);
  EXPECT_EQ(service_.next_deadline(), clock_.now() + std::chrono::milliseconds(1));
  clock_.advance(std::chrono::milliseconds(1));
  tick();
  EXPECT_EQ(client->failure(), FailureKind::kTimedOut);
  EXPECT_EQ(service_.next_deadline(), std::nullopt);
}

TEST_F(ServiceTest, ServesThoseWhoWaitInTheOrderInWhichTheyCame) {
  device_.memory_limit = kMiB;
  const auto holder = join();
  const Grant held = holder->must_alloc(kMiB);
  const auto first = join();
  const auto second = join();
  first->alloc({kMiB}, std::chrono::seconds(1));
  second->alloc({kMiB}, std::chrono::seconds(1));
  holder->release(held);
  EXPECT_NE(first->last<GrantedReply>(), nullptr);
  EXPECT_EQ(second->last<GrantedReply>(), nullptr);
}

TEST_F(ServiceTest, ALargeRequestThatWaitsDoesNotHoldUpASmallOneThatFits) {
  device_.memory_limit = 4 * kMiB;
  const auto holder = join();
  const Grant small = holder->must_alloc(kMiB);
  holder->must_alloc(3 * kMiB);
  const auto large = join(2000);
  large->alloc({4 * kMiB}, std::chrono::seconds(1));
  const auto modest = join();
  modest->alloc({kMiB}, std::chrono::seconds(1));
  holder->release(small);
  EXPECT_NE(modest->last<GrantedReply>(), nullptr);
  EXPECT_EQ(large->last<GrantedReply>(), nullptr);
}

TEST_F(ServiceTest, BoundsWhatAClientCanKeepWaiting) {
  device_.memory_limit = 0;
  const auto client = join();
  for (int i = 0; i < 64; ++i) client->alloc({kMiB}, std::chrono::seconds(1));
  EXPECT_EQ(client->last<FailureReply>(), nullptr);
  client->alloc({kMiB}, std::chrono::seconds(1));
  EXPECT_EQ(client->failure(), FailureKind::kOverQuota);
  EXPECT_EQ(client->last<FailureReply>()->message, "over the quota of client 1: open requests");
}

TEST_F(ServiceTest, WhoKeepsAllItsPlacesWaitingIsStillServedAtOnce) {
  device_.memory_limit = 5 * kMiB;
  const auto client = join();
  for (int i = 0; i < 64; ++i) client->alloc({6 * kMiB}, std::chrono::seconds(1));
  client->must_alloc(4096);
  client->release(client->must_alloc(4096));
  EXPECT_EQ(client->must_alloc(4096).origin, Origin::kCached);
}

TEST_F(ServiceTest, ARequestThatIsGivenUpIsCountedAsFailed) {
  device_.memory_limit = 0;
  auto client = join();
  client->alloc({kMiB}, std::chrono::seconds(1));
  client.reset();
  EXPECT_EQ(stats().requests, 1u);
  EXPECT_EQ(stats().failed, 1u);
}

TEST_F(ServiceTest, BoundsWhatAUserCanKeepWaiting) {
  device_.memory_limit = 0;
  const auto one = join();
  const auto two = join();
  const auto other = join(2000);
  for (int i = 0; i < 50; ++i) {
    one->alloc({kMiB}, std::chrono::seconds(1));
    two->alloc({kMiB}, std::chrono::seconds(1));
  }
  two->alloc({kMiB}, std::chrono::seconds(1));
  EXPECT_EQ(two->failure(), FailureKind::kOverQuota);
  other->alloc({kMiB}, std::chrono::seconds(1));
  EXPECT_EQ(other->last<FailureReply>(), nullptr);
}

TEST_F(ServiceTest, SaysWhoseQuotaIsFull) {
  const auto one = join();
  const auto two = join();
  for (int i = 0; i < 100; ++i) one->must_alloc(4096);
  one->alloc({4096});
  EXPECT_EQ(one->failure(), FailureKind::kOverQuota);
  EXPECT_EQ(one->last<FailureReply>()->message, "over the quota of client 1: BOs");
  for (int i = 0; i < 50; ++i) two->must_alloc(4096);
  two->alloc({4096});
  EXPECT_EQ(two->last<FailureReply>()->message, "over the quota of uid 1000: BOs");
}

TEST_F(ServiceTest, WaitsForItsQuotaIfItMayButNotForWhatItCanNeverHave) {
  const auto client = join();
  std::vector<Grant> grants;
  for (int i = 0; i < 100; ++i) grants.push_back(client->must_alloc(4096));
  client->alloc({4096}, std::chrono::seconds(1));
  const size_t before = client->replies.size();
  client->release(grants[0]);
  ASSERT_EQ(client->replies.size(), before + 1);
  EXPECT_NE(client->last<GrantedReply>(), nullptr);
  client->alloc({3000 * kMiB, 3000 * kMiB}, std::chrono::seconds(1));
  EXPECT_EQ(client->failure(), FailureKind::kOverQuota);
}

TEST_F(ServiceTest, ARequestThatWaitsForItsQuotaKeepsNobodyElseFromMemory) {
  device_.memory_limit = 5 * kMiB;
  const auto holder = join(2000);
  const Grant large = holder->must_alloc(4 * kMiB);
  const auto poor = join(1000);
  for (int i = 0; i < 100; ++i) poor->must_alloc(4096);
  poor->alloc({4096}, std::chrono::seconds(1));
  const auto other = join(3000);
  other->alloc({kMiB}, std::chrono::seconds(1));
  EXPECT_EQ(other->last<GrantedReply>(), nullptr);
  holder->release(large);
  EXPECT_NE(other->last<GrantedReply>(), nullptr);
}

TEST_F(ServiceTest, AClientThatHoardsWhatItReleasedIsOverItsOwnQuotaAndNobodyElse) {
  const auto hoarder = join(1000);
  std::vector<Grant> kept;
  for (int i = 0; i < 100; ++i) {
    kept.push_back(hoarder->must_alloc(4096));
    device_.bo(kept.back().bo.handle).others = 1;
    hoarder->release(kept.back());
  }
  clock_.advance(std::chrono::hours(1));
  tick();
  EXPECT_EQ(stats().held.count, 100u);
  hoarder->alloc({4096});
  EXPECT_EQ(hoarder->failure(), FailureKind::kOverQuota);
  EXPECT_EQ(join(2000)->must_alloc(4096).origin, Origin::kFresh);

  for (const Grant& grant : kept) device_.bo(grant.bo.handle).others = 0;
  clock_.advance(std::chrono::minutes(2));
  // 32 looks a tick.
  for (int i = 0; i < 4; ++i) tick();
  EXPECT_EQ(stats().held.count, 0u);
  hoarder->must_alloc(4096);
}

TEST_F(ServiceTest, WhatAClientThatLeftHasGivenToOthersStaysChargedToItsUser) {
  auto client = join(1000);
  for (int i = 0; i < 100; ++i) device_.bo(client->must_alloc(4096).bo.handle).others = 1;
  client.reset();
  const auto next = join(1000);
  for (int i = 0; i < 50; ++i) next->must_alloc(4096);
  next->alloc({4096});
  EXPECT_EQ(next->last<FailureReply>()->message, "over the quota of uid 1000: BOs");
}

TEST_F(ServiceTest, UnderPressureTheCacheGoesAndTheClientsAreTold) {
  const auto client = join();
  std::vector<Grant> grants;
  for (int i = 0; i < 4; ++i) grants.push_back(client->must_alloc(kMiB));
  for (const Grant& grant : grants) client->release(grant);
  service_.on_pressure(Pressure::kSome);
  EXPECT_EQ(stats().ready, (Amount{2, 2 * kMiB}));
  ASSERT_NE(client->last<PressureEvent>(), nullptr);
  EXPECT_EQ(client->answered.back(), RequestId{0});
  service_.on_pressure(Pressure::kFull);
  EXPECT_EQ(stats().ready, Amount{});
  EXPECT_EQ(client->last<PressureEvent>()->pressure, Pressure::kFull);
}

TEST_F(ServiceTest, ForgetsTheRequestsOfAClientThatLeft) {
  device_.memory_limit = 0;
  auto client = join();
  client->alloc({kMiB}, std::chrono::seconds(1));
  client.reset();
  EXPECT_EQ(service_.next_deadline(), std::nullopt);
}

TEST_F(ServiceTest, NobodyWaitsForEver) {
  device_.memory_limit = 0;
  const auto client = join();
  client->alloc({kMiB}, Duration::max());
  clock_.advance(AllocRequests::kLongestWait - std::chrono::milliseconds(1));
  tick();
  EXPECT_EQ(client->last<FailureReply>(), nullptr);
  clock_.advance(std::chrono::milliseconds(1));
  tick();
  EXPECT_EQ(client->failure(), FailureKind::kTimedOut);
}

TEST_F(ServiceTest, ListsItsClients) {
  const auto client = join(1234);
  client->must_alloc(kMiB);
  const auto reply = std::get<ClientsReply>(service_.handle_admin(ClientsRequest{}));
  ASSERT_EQ(reply.clients.size(), 1u);
  EXPECT_EQ(reply.clients[0].name, "fake");
  EXPECT_EQ(reply.clients[0].peer.uid, 1234u);
  EXPECT_EQ(reply.clients[0].leased, (Amount{1, kMiB}));
}

TEST_F(ServiceTest, EvictsAsTheAdministratorSays) {
  const auto client = join(1000);
  const auto other = join(2000);
  const Grant a = client->must_alloc(kMiB);
  const Grant b = other->must_alloc(2 * kMiB);
  client->release(a);
  other->release(b);
  const auto evicted = [this](const EvictRequest& what) { return evict(service_, what).evicted; };
  EXPECT_EQ(evicted(EvictUid{2000}), (Amount{1, 2 * kMiB}));
  EXPECT_EQ(evicted(EvictBytes{1}), (Amount{1, kMiB}));
  EXPECT_EQ(evicted(EvictAll{}), Amount{});
  EXPECT_EQ(stats().evicted, (Amount{2, 3 * kMiB}));
}

}  // namespace
}  // namespace panbo
