// Unused leases through the whole service: granted, scanned, taken and given back.

#include "daemon/service/alloc_flags.h"
#include "proto/limits.h"
#include "tests/unit/service/local_cache_rig.h"

namespace panbo {
namespace {

TEST_F(LocalCacheTest, AClientGetsATableIfItAsksForOne) {
  const auto old = join();
  EXPECT_EQ(old->last<WelcomeReply>()->lease_table_words, 0u);
  EXPECT_EQ(old->last<WelcomeReply>()->page_size, 4096u);
  EXPECT_EQ(old->must_alloc(4096).slot, 0u);
  const auto client = join_with_table();
  EXPECT_EQ(client->last<WelcomeReply>()->lease_table_words, client->table.size());
  EXPECT_EQ(client->must_alloc(4096).slot, 1u);
}

TEST_F(LocalCacheTest, WithoutADecayTimeThereAreNoTables) {
  options_.local.decay = {};
  Service service(device_, nullptr, memory_, clock_, options_);
  FakeClient client(service, 1000);
  client.send(HelloRequest{.protocol_version = 1, .name = "fake", .lease_table = true});
  EXPECT_EQ(client.last<WelcomeReply>()->lease_table_words, 0u);
  EXPECT_EQ(client.must_alloc(4096).slot, 0u);
}

TEST_F(LocalCacheTest, LeasesBeyondTheTableHaveNoWord) {
  const auto client = join_with_table();
  client->alloc(std::vector<uint64_t>(limits::kMaxBatch, 4096));
  const Grant first = client->last<GrantedReply>()->grants.front();
  client->alloc(std::vector<uint64_t>(10, 4096));
  const Grant last = client->last<GrantedReply>()->grants.back();
  EXPECT_EQ(last.slot, 0u);
  client->release(last);
  client->release(first);
  EXPECT_EQ(client->must_alloc(4096).slot, first.slot);
}

TEST_F(LocalCacheTest, AnUnusedLeaseIsCountedAndStillLeased) {
  const auto client = join_with_table();
  const Grant grant = client->must_alloc(kMiB);
  free(*client, grant);
  EXPECT_EQ(stats().local, Amount{}) << "nobody has looked";
  run_for(250ms);
  EXPECT_EQ(stats().local, (Amount{1, kMiB}));
  EXPECT_EQ(stats().leased, (Amount{1, kMiB}));
  const auto rows = std::get<ClientsReply>(service_.handle_admin(ClientsRequest{})).clients;
  EXPECT_EQ(rows.at(0).local, (Amount{1, kMiB}));
}

TEST_F(LocalCacheTest, WhatIsUnusedForTheDecayTimeIsTakenAndTheBellRings) {
  const auto client = join_with_table();
  const Grant used = client->must_alloc(4096);
  const Grant grant = client->must_alloc(4096);
  free(*client, grant);
  run_for(900ms);
  EXPECT_FALSE(taken(*client, grant));
  EXPECT_EQ(client->rings, 0);
  run_for(600ms);
  EXPECT_TRUE(taken(*client, grant));
  EXPECT_FALSE(taken(*client, used));
  EXPECT_EQ(client->rings, 1);
  EXPECT_EQ(stats().local, Amount{});
  EXPECT_EQ(stats().leased.count, 2u) << "until the client gives it back";
  client->release(grant);
  EXPECT_EQ(stats().leased.count, 1u);
  EXPECT_EQ(stats().ready.count, 1u);
}

TEST_F(LocalCacheTest, WhatIsUsedNowAndThenIsNotTaken) {
  const auto client = join_with_table();
  const Grant grant = client->must_alloc(4096);
  for (int i = 0; i < 20; ++i) {
    free(*client, grant);
    run_for(500ms);
    ASSERT_TRUE(use_lease(client->table[grant.slot], client->table[grant.slot]));
    run_for(100ms);
  }
  EXPECT_EQ(client->rings, 0);
}

TEST_F(LocalCacheTest, ASystemWithNothingUnusedHasNoTick) {
  const auto client = join_with_table();
  const Grant grant = client->must_alloc(4096);
  EXPECT_EQ(service_.next_deadline(), std::nullopt);
  free(*client, grant);
  EXPECT_NE(service_.next_deadline(), std::nullopt);
  run_for(2s);
  client->release(grant);
  run_for(20s);
  EXPECT_EQ(service_.next_deadline(), std::nullopt);
  EXPECT_EQ(device_.bo_count(), 0u);
}

TEST_F(LocalCacheTest, AFloodOfMessagesCostsNoMoreThanTheScans) {
  const auto client = join_with_table();
  const Grant grant = client->must_alloc(4096);
  int ticks = 0;
  for (int i = 0; i < 1000; ++i) {
    client->send(LeasesUnusedRequest{});
    ticks += run_for(1ms);
  }
  EXPECT_LE(ticks, 4);
  EXPECT_FALSE(taken(*client, grant));
}

TEST_F(LocalCacheTest, AClientWithoutATableHasNothingUnused) {
  const auto client = join();
  client->send(LeasesUnusedRequest{});
  EXPECT_EQ(client->failure(), FailureKind::kInvalidArgument);
  EXPECT_EQ(service_.next_deadline(), std::nullopt);
}

TEST_F(LocalCacheTest, ExtraOnesComeFromWhatIsReady) {
  make_ready(1000, 4096, 3);
  const auto client = join_with_table();
  const auto grants = alloc(*client, {.size = 4096, .extra = 8});
  ASSERT_EQ(grants.size(), 3u);
  EXPECT_EQ(grants[0].extra_of, 0u);
  EXPECT_EQ(lease_use(client->table[grants[0].slot]), LeaseUse::kInUse);
  for (size_t i = 1; i < 3; ++i) {
    EXPECT_EQ(grants[i].extra_of, 1u);
    EXPECT_EQ(grants[i].origin, Origin::kCached);
    EXPECT_EQ(lease_use(client->table[grants[i].slot]), LeaseUse::kUnused);
  }
  EXPECT_EQ(stats().local.count, 2u);
  EXPECT_EQ(stats().requests, 4u) << "the extra ones were not asked for";
  run_for(2s);
  EXPECT_EQ(client->rings, 1) << "nobody had to say that they are unused";
}

TEST_F(LocalCacheTest, ExtraOnesFillNoMoreThanAPacketTheQuotaOrTheTable) {
  make_ready(1000, 4096, 90);
  const auto client = join_with_table();
  EXPECT_EQ(alloc(*client, {.size = 4096, .extra = UINT32_MAX}).size(), limits::kMaxBatch);
  EXPECT_EQ(alloc(*client, {.size = 4096, .extra = UINT32_MAX}).size(), 7u) << "there are 71 words";
  client->leave();
  const auto other = join();
  for (int i = 0; i < 4; ++i) other->alloc(std::vector<uint64_t>(25, 8192));
  EXPECT_EQ(alloc(*join_with_table(), {.size = 4096, .extra = UINT32_MAX}).size(), 50u)
      << "150 BOs is the user's quota";
}

TEST_F(LocalCacheTest, NoExtraOnesWhereTheyMakeNoSense) {
  make_ready(1000, 4096, 3);
  EXPECT_EQ(alloc(*join_with_table(), {.size = 4096, .flags = kAllocZeroed, .extra = 8}).size(), 1u);
  EXPECT_EQ(alloc(*join_with_table(), {.size = 4096, .flags = kAllocHeap, .extra = 8}).size(), 1u);
  EXPECT_EQ(alloc(*join(), {.size = 4096, .extra = 8}).size(), 1u) << "no table";
  EXPECT_EQ(alloc(*join_with_table(2000), {.size = 4096, .extra = 8}).size(), 1u) << "another user's";
}

TEST_F(LocalCacheTest, PressureTakesHalfAndThenAll) {
  const auto client = join_with_table();
  std::vector<Grant> grants;
  for (int i = 0; i < 4; ++i) {
    grants.push_back(client->must_alloc(kMiB));
    free(*client, grants.back());
    run_for(250ms);
  }
  service_.on_pressure(Pressure::kSome);
  run_for(20ms);
  EXPECT_TRUE(taken(*client, grants[0]));
  EXPECT_TRUE(taken(*client, grants[1]));
  EXPECT_FALSE(taken(*client, grants[2]));
  service_.on_pressure(Pressure::kFull);
  run_for(20ms);
  EXPECT_TRUE(taken(*client, grants[3]));
  EXPECT_EQ(client->rings, 2);
  for (const Grant& grant : grants) client->release(grant);
  EXPECT_EQ(device_.bo_count(), 0u) << "the memory was wanted, so nothing goes to the cache";
}

TEST_F(LocalCacheTest, TheOldestGoFirstWhosesoeverTheyAre) {
  const auto first = join_with_table(1000);
  const auto second = join_with_table(2000);
  const Grant young = first->must_alloc(kMiB);
  const Grant old = second->must_alloc(kMiB);
  free(*second, old);
  run_for(300ms);
  free(*first, young);
  run_for(300ms);
  service_.handle_admin(EvictBytes{kMiB});
  run_for(20ms);
  EXPECT_TRUE(taken(*second, old));
  EXPECT_FALSE(taken(*first, young));
}

TEST_F(LocalCacheTest, AnAdministratorsEvictionSaysWhatWasAskedBack) {
  const auto client = join_with_table(2000);
  const Grant grant = client->must_alloc(kMiB);
  free(*client, grant);
  run_for(250ms);
  make_ready(1000, kMiB, 2);
  auto evicted = std::get<EvictedReply>(service_.handle_admin(EvictUid{1000}));
  EXPECT_EQ(evicted.evicted, (Amount{2, 2 * kMiB}));
  EXPECT_EQ(evicted.asked_back, Amount{});
  evicted = std::get<EvictedReply>(service_.handle_admin(EvictAll{}));
  EXPECT_EQ(evicted.evicted, Amount{});
  EXPECT_EQ(evicted.asked_back, (Amount{1, kMiB}));
  run_for(20ms);
  EXPECT_TRUE(taken(*client, grant));
}

TEST_F(LocalCacheTest, PressureTakesWhatWasFreedAMomentAgo) {
  const auto client = join_with_table();
  const Grant grant = client->must_alloc(kMiB);
  free(*client, grant);
  service_.on_pressure(Pressure::kFull);
  run_for(0ms);
  EXPECT_TRUE(taken(*client, grant)) << "nobody had looked before";
}

TEST_F(LocalCacheTest, PressureWakesNobodyWhereNoTableHasALease) {
  const auto client = join_with_table();
  service_.on_pressure(Pressure::kFull);
  EXPECT_EQ(service_.next_deadline(), std::nullopt);
}

TEST_F(LocalCacheTest, HeadroomCountsWhatIsUnusedAfterWhatIsReady) {
  const auto client = join_with_table();
  const Grant grant = client->must_alloc(kMiB);
  make_ready(2000, kMiB, 2);
  free(*client, grant);
  memory_.bytes = 4 * kMiB;
  run_for(250ms);
  EXPECT_EQ(stats().ready, Amount{});
  EXPECT_FALSE(taken(*client, grant)) << "a quarter of what is left is one MiB";
  memory_.bytes = 3 * kMiB;
  run_for(250ms);
  EXPECT_TRUE(taken(*client, grant));
}

TEST_F(LocalCacheTest, AClientThatKeepsWhatWasTakenIsNamedOnceAndHarmsItselfOnly) {
  std::vector<Amount> told;
  options_.on_overdue = [&](const ClientRow&, const Amount& amount) { told.push_back(amount); };
  Service service(device_, nullptr, memory_, clock_, options_);
  FakeClient keeper(service, 1000);
  keeper.send(HelloRequest{.protocol_version = 1, .lease_table = true});
  const Grant kept = keeper.must_alloc(kMiB);
  free(keeper, kept);
  for (int i = 0; i < 200 && service.next_deadline(); ++i) {
    clock_.advance(std::max(*service.next_deadline() - clock_.now(), Duration{}));
    service.tick();
  }
  EXPECT_EQ(told, (std::vector<Amount>{{1, kMiB}}));
  EXPECT_EQ(service.next_deadline(), std::nullopt);
  FakeClient other(service, 1000);
  other.hello();
  EXPECT_EQ(other.must_alloc(kMiB).origin, Origin::kFresh) << "it is not lent to anybody else";
  EXPECT_FALSE(keeper.closed);
}

TEST_F(LocalCacheTest, WhatWasKeptAgesFromItsLastUseOn) {
  // Too small to have a lifetime of its own.
  constexpr uint64_t kSmall = 64 << 10;
  const auto client = join_with_table();
  const Grant grant = client->must_alloc(kSmall);
  free(*client, grant);
  run_for(1500ms);
  ASSERT_TRUE(taken(*client, grant));
  client->release(grant);
  EXPECT_EQ(stats().ready, (Amount{1, kSmall}));
  // The scan saw it after 250 ms, and a step of the decay is 78 ms.
  run_for(8500ms);
  EXPECT_EQ(stats().ready, (Amount{1, kSmall}));
  run_for(500ms);
  EXPECT_EQ(stats().ready, Amount{});
}

TEST_F(LocalCacheTest, WhatIsStillDrawnFromWhenItComesBackIsNotOld) {
  const auto client = join_with_table();
  const Grant grant = client->must_alloc(64 << 10);
  device_.bo(grant.bo.handle).busy = true;
  free(*client, grant);
  run_for(1500ms);
  client->release(grant);
  run_for(5s);
  finish_job(grant);
  run_for(7s);
  EXPECT_EQ(stats().ready.count, 1u);
}

TEST_F(LocalCacheTest, WhatWasTakenIsCountedUntilItIsGivenBack) {
  const auto client = join_with_table();
  const auto other = join_with_table();
  const Grant grant = client->must_alloc(kMiB);
  free(*client, grant);
  EXPECT_EQ(stats().taken, Amount{});
  service_.on_pressure(Pressure::kFull);
  run_for(20ms);
  EXPECT_EQ(stats().taken, (Amount{1, kMiB}));
  EXPECT_EQ(stats().local, Amount{});
  const auto rows = std::get<ClientsReply>(service_.handle_admin(ClientsRequest{})).clients;
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].taken, (Amount{1, kMiB}));
  EXPECT_EQ(rows[1].taken, Amount{});
  client->release(grant);
  EXPECT_EQ(stats().taken, Amount{});
}

TEST_F(LocalCacheTest, ATakenLeaseIsReleasedOnce) {
  const auto client = join_with_table();
  const Grant grant = client->must_alloc(kMiB);
  free(*client, grant);
  service_.on_pressure(Pressure::kFull);
  run_for(20ms);
  client->release(grant);
  client->release(grant);
  EXPECT_EQ(client->failure(), FailureKind::kUnknownLease);
  EXPECT_EQ(stats().leased, Amount{});
}

TEST_F(LocalCacheTest, ABoThatWasTakenForItsMemoryIsWaitedForBeforeItIsDestroyed) {
  const auto client = join_with_table();
  const Grant grant = client->must_alloc(kMiB);
  device_.bo(grant.bo.handle).busy = true;
  free(*client, grant);
  service_.on_pressure(Pressure::kFull);
  run_for(20ms);
  client->release(grant);
  EXPECT_EQ(stats().draining, (Amount{1, kMiB})) << "and it is charged as long as a job uses it";
  finish_job(grant);
  EXPECT_EQ(device_.bo_count(), 0u);
}

TEST_F(LocalCacheTest, AClientThatLeavesTakesItsTableWithIt) {
  auto client = join_with_table();
  const Grant grant = client->must_alloc(kMiB);
  free(*client, grant);
  client.reset();
  EXPECT_EQ(stats().local, Amount{});
  EXPECT_EQ(stats().ready, (Amount{1, kMiB}));
  run_for(20s);
  EXPECT_EQ(service_.next_deadline(), std::nullopt);
}

}  // namespace
}  // namespace panbo
