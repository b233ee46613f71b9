// What a client keeps of what its program released, and how it finds it again. The fake daemon's leases are numbered
// from 101.

#include "client/lib/local_cache.h"

#include <sys/wait.h>

#include "tests/unit/client/client_rig.h"

namespace panbo::test {
namespace {

class LocalCacheTest : public ClientRig {
 protected:
  LocalCacheTest() { daemon_.lend_tables(); }
};

TEST_F(LocalCacheTest, AReleasedBoIsUsedAgainAsItIs) {
  connect(settings());
  panbo_bo* bo = alloc(5000);
  int mark = 0;
  panbo_bo_set_user_data(bo, &mark);
  void* memory = nullptr;
  ASSERT_EQ(panbo_bo_map(bo, &memory), 0);
  release(bo);
  EXPECT_EQ(daemon_.table()->use_of(101), LeaseUse::kUnused);
  const int calls = kernel_.calls();
  EXPECT_EQ(alloc(8192), bo) << "the same size class";
  EXPECT_EQ(daemon_.table()->use_of(101), LeaseUse::kInUse);
  EXPECT_EQ(panbo_bo_get_origin(bo), PANBO_ORIGIN_LOCAL);
  EXPECT_EQ(panbo_bo_get_user_data(bo), &mark);
  void* again = nullptr;
  ASSERT_EQ(panbo_bo_map(bo, &again), 0);
  EXPECT_EQ(again, memory);
  EXPECT_EQ(kernel_.calls(), calls);
  EXPECT_EQ(asked(), 1);
  EXPECT_TRUE(daemon_.seen().released.empty());
}

TEST_F(LocalCacheTest, CountsWhatIsUsedAndWhatIsKept) {
  connect(settings());
  release(alloc(4096));
  release(alloc(8192));
  alloc(4096);
  const panbo_stats counted = stats();
  EXPECT_EQ(counted.leased_count, 1u);
  EXPECT_EQ(counted.leased_bytes, 4096u);
  EXPECT_EQ(counted.kept_count, 1u);
  EXPECT_EQ(counted.kept_bytes, 8192u);
  EXPECT_EQ(counted.fresh, 2u);
  EXPECT_EQ(counted.local, 1u);
}

TEST_F(LocalCacheTest, AnotherKindOrASmallerOneOrOneTwiceAsLargeWillNotDo) {
  connect(settings());
  panbo_bo* bo = alloc(8192);
  release(bo);
  EXPECT_NE(alloc(4096), bo);
  EXPECT_NE(alloc(8193), bo);
  EXPECT_NE(alloc(8192, PANBO_BO_EXECUTABLE), bo);
  EXPECT_NE(alloc(8192, PANBO_BO_HEAP), bo);
  EXPECT_NE(alloc(8192, PANBO_BO_ZEROED), bo);
  EXPECT_EQ(asked(), 6);
  EXPECT_EQ(alloc(8192), bo);
}

TEST_F(LocalCacheTest, OneThatIsLessThanTwiceAsLargeStandsInForWhatIsMissing) {
  connect(settings());
  panbo_bo* large = alloc(7 * 4096);
  release(large);
  EXPECT_EQ(alloc(4 * 4096), large);
  EXPECT_EQ(panbo_bo_get_size(large), 7u * 4096);
  EXPECT_EQ(panbo_bo_get_origin(large), PANBO_ORIGIN_LOCAL);
  EXPECT_EQ(asked(), 1);
  release(large);
  EXPECT_EQ(alloc(7 * 4096), large) << "it is kept for its own class";
}

TEST_F(LocalCacheTest, TheSmallestThatIsLargeEnoughIsUsed) {
  connect(settings());
  panbo_bo* large = alloc(7 * 4096);
  panbo_bo* middle = alloc(6 * 4096);
  panbo_bo* exact = alloc(5 * 4096);
  release(exact);
  release(large);
  release(middle);
  EXPECT_EQ(alloc(5 * 4096), exact);
  EXPECT_EQ(alloc(5 * 4096), middle);
  EXPECT_EQ(alloc(5 * 4096), large);
}

TEST_F(LocalCacheTest, ALargerOneThatIsBusyDoesNotStandIn) {
  connect(settings());
  panbo_bo* busy = alloc(3 * 4096);
  kernel_.set_busy(handle_of(busy), true);
  release(busy, 0);
  EXPECT_NE(alloc(2 * 4096), busy);
  EXPECT_EQ(asked(), 2);
  EXPECT_EQ(stats().kept_count, 1u);
}

TEST_F(LocalCacheTest, ABoThatWasZeroedServesWhoDoesNotAskForThat) {
  connect(settings());
  panbo_bo* bo = alloc(4096, PANBO_BO_ZEROED);
  release(bo);
  EXPECT_EQ(alloc(4096), bo);
}

TEST_F(LocalCacheTest, WhatOthersMayHaveGoesToTheDaemon) {
  connect(settings());
  release(alloc(), PANBO_RELEASE_IDLE | PANBO_RELEASE_SHARED);
  EXPECT_TRUE(released({101}));
  panbo_bo* exported = alloc();
  ASSERT_GE(panbo_bo_get_fd(exported), 0);
  release(exported);
  EXPECT_TRUE(released({101, 102}));
  EXPECT_EQ(released_as_shared(), (std::vector<uint64_t>{101, 102})) << "which the daemon then knows";
}

TEST_F(LocalCacheTest, WhatNobodyElseHadIsNotGivenBackAsShared) {
  connect(settings(PANBO_CLIENT_NO_CACHE));
  release(alloc());
  EXPECT_TRUE(released({101}));
  EXPECT_TRUE(released_as_shared().empty());
}

TEST_F(LocalCacheTest, AClientThatIsClosedSaysWhatWasExported) {
  connect(settings());
  alloc();
  panbo_bo* exported = alloc();
  ASSERT_GE(panbo_bo_get_fd(exported), 0);
  close();
  EXPECT_TRUE(released({102})) << "the other goes with the connection";
  EXPECT_EQ(released_as_shared(), std::vector<uint64_t>{102});
}

TEST_F(LocalCacheTest, NothingIsKeptWhereThatIsNotWanted) {
  connect(settings(PANBO_CLIENT_NO_CACHE));
  release(alloc());
  EXPECT_TRUE(released({101}));
  EXPECT_FALSE(daemon_.seen().requests.at(0).hello().lease_table());
}

TEST_F(LocalCacheTest, NothingIsKeptForADaemonWithoutTables) {
  daemon_.follow([](FakeDaemon::Peer& peer, const wire::Envelope& request) {
    if (!request.has_hello()) return false;
    wire::Envelope answer;
    answer.set_request_id(request.request_id());
    answer.mutable_welcome()->set_protocol_version(1);
    peer.send(answer);
    return true;
  });
  connect(settings());
  const FakeLeaseTable table;
  panbo_bo* bo = nullptr;
  ASSERT_EQ(try_alloc(4096, &bo), 0);
  release(bo);
  EXPECT_TRUE(released({101}));
}

TEST_F(LocalCacheTest, VeryLargeBosAreNotKept) {
  connect(settings());
  release(alloc(kLargestClassedSize + 1));
  EXPECT_TRUE(released({101}));
}

TEST_F(LocalCacheTest, OfIdleOnesTheNewestIsUsed) {
  connect(settings());
  panbo_bo* older = alloc();
  panbo_bo* newer = alloc();
  release(older);
  release(newer);
  EXPECT_EQ(alloc(), newer);
  EXPECT_EQ(alloc(), older);
}

TEST_F(LocalCacheTest, OfThoseThatMayBeBusyTheOldestIsAskedOnce) {
  connect(settings());
  panbo_bo* older = alloc();
  panbo_bo* newer = alloc();
  kernel_.set_busy(handle_of(newer), true);
  release(older, 0);
  release(newer, 0);
  const int calls = kernel_.calls();
  EXPECT_EQ(alloc(), older);
  EXPECT_EQ(kernel_.calls(), calls + 1);
}

TEST_F(LocalCacheTest, IdleOnesComeBeforeThoseThatMayBeBusy) {
  connect(settings());
  panbo_bo* unknown = alloc();
  panbo_bo* idle = alloc();
  release(unknown, 0);
  release(idle);
  const int calls = kernel_.calls();
  EXPECT_EQ(alloc(), idle);
  EXPECT_EQ(kernel_.calls(), calls);
}

TEST_F(LocalCacheTest, WhenTheOldestIsBusyTheDaemonIsAsked) {
  connect(settings());
  panbo_bo* busy = alloc();
  panbo_bo* other = alloc();
  kernel_.set_busy(handle_of(busy), true);
  release(busy, 0);
  release(other, 0);
  panbo_bo* got = alloc();
  EXPECT_NE(got, busy);
  EXPECT_NE(got, other);
  EXPECT_EQ(asked(), 3);
  EXPECT_EQ(stats().kept_count, 2u);
  EXPECT_EQ(stats().local, 0u);
  kernel_.set_busy(handle_of(busy), false);
  EXPECT_EQ(alloc(), busy) << "it is still the oldest";
}

TEST_F(LocalCacheTest, ABatchUsesWhatThereIsAndAsksForTheRest) {
  connect(settings());
  panbo_bo* kept = alloc(8192);
  release(kept);
  const std::vector<panbo_alloc_request> requests{{.struct_size = sizeof(panbo_alloc_request), .size = 4096},
                                                  {.struct_size = sizeof(panbo_alloc_request), .size = 8192},
                                                  {.struct_size = sizeof(panbo_alloc_request), .size = 12288}};
  panbo_bo* bos[3] = {};
  ASSERT_EQ(panbo_bo_alloc_batch(client_, requests.data(), 3, bos), 0);
  EXPECT_EQ(bos[1], kept);
  EXPECT_EQ(panbo_bo_get_size(bos[0]), 4096u);
  EXPECT_EQ(panbo_bo_get_size(bos[2]), 12288u);
  EXPECT_EQ(daemon_.seen().requests.back().alloc().items_size(), 2);
}

TEST_F(LocalCacheTest, ABatchThatFailsKeepsWhatItHadFound) {
  connect(settings());
  panbo_bo* kept = alloc(8192);
  release(kept);
  daemon_.follow([](FakeDaemon::Peer& peer, const wire::Envelope& request) {
    if (request.has_alloc()) peer.fail(request.request_id(), wire::FAILURE_DEVICE);
    return request.has_alloc();
  });
  const panbo_alloc_request requests[] = {{.struct_size = sizeof(panbo_alloc_request), .size = 8192},
                                          {.struct_size = sizeof(panbo_alloc_request), .size = 4096}};
  panbo_bo* bos[2] = {};
  EXPECT_EQ(panbo_bo_alloc_batch(client_, requests, 2, bos), -EIO);
  EXPECT_EQ(stats().leased_count, 0u);
  EXPECT_EQ(stats().local, 0u);
  EXPECT_EQ(stats().failed, 2u);
  EXPECT_EQ(alloc(8192), kept);
}

TEST_F(LocalCacheTest, TheDaemonHearsOnceThatThereIsSomethingUnused) {
  connect(settings());
  panbo_bo* bos[2] = {alloc(), alloc()};
  daemon_.table()->sleep();
  for (panbo_bo* bo : bos) release(bo);
  const auto said = [](const FakeDaemon::Seen& seen) {
    return std::ranges::count_if(seen.requests, [](const auto& request) { return request.has_leases_unused(); });
  };
  EXPECT_TRUE(daemon_.becomes([&](const FakeDaemon::Seen& seen) { return said(seen) == 1; }));
  // What comes behind in the same socket shows that there was no second one.
  alloc(8192);
  EXPECT_EQ(said(daemon_.seen()), 1);
}

TEST_F(LocalCacheTest, WhenMemoryIsShortEverythingKeptGoesBackFirst) {
  for (const wire::FailureCode code : {wire::FAILURE_OVER_QUOTA, wire::FAILURE_OUT_OF_MEMORY}) {
    connect(settings());
    release(alloc(8192));
    release(alloc(12288));
    const size_t before = daemon_.seen().released.size();
    daemon_.follow([&](FakeDaemon::Peer& peer, const wire::Envelope& request) {
      if (!request.has_alloc() || daemon_.seen().released.size() == before + 2) return false;
      peer.fail(request.request_id(), code);
      return true;
    });
    EXPECT_NE(alloc(4096), nullptr);
    EXPECT_EQ(stats().kept_count, 0u);
    daemon_.follow(nullptr);
    close();
  }
}

TEST_F(LocalCacheTest, WhenNothingIsKeptAFailureIsTold) {
  connect(settings());
  daemon_.follow([](FakeDaemon::Peer& peer, const wire::Envelope& request) {
    if (request.has_alloc()) peer.fail(request.request_id(), wire::FAILURE_OVER_QUOTA);
    return request.has_alloc();
  });
  panbo_bo* bo = nullptr;
  EXPECT_EQ(try_alloc(4096, &bo), -EDQUOT);
  EXPECT_EQ(asked(), 1);
}

TEST_F(LocalCacheTest, WhatIsTooMuchGoesToTheDaemonOldestFirst) {
  constexpr size_t kMost = 1024;
  connect(settings());
  std::vector<panbo_bo*> bos(kMost + 2);
  for (panbo_bo*& bo : bos) bo = alloc();
  for (panbo_bo* bo : bos) release(bo);
  EXPECT_TRUE(released({101, 102}));
  EXPECT_EQ(stats().kept_count, kMost);
}

TEST_F(LocalCacheTest, MissesBringMoreAndMore) {
  daemon_.lend_tables(100);
  connect(settings());
  std::vector<uint32_t> extras;
  int misses = 0;
  // Everything that the daemon has lent stays in use, so each miss brings what serves the next ones.
  while (extras.size() < 8) {
    alloc();
    if (const int now = asked(); now != misses) {
      misses = now;
      extras.push_back(extra_asked());
    }
  }
  EXPECT_EQ(extras, (std::vector<uint32_t>{0, 1, 2, 4, 8, 16, 16, 16}));
  EXPECT_EQ(stats().local + stats().fresh, stats().leased_count);
  EXPECT_EQ(stats().fresh, 8u);
}

TEST_F(LocalCacheTest, ABinWhoseLeasesWereTakenAsksForNoMoreThanNeeded) {
  daemon_.lend_tables(100);
  connect(settings());
  for (int i = 0; i < 3; ++i) alloc();
  EXPECT_EQ(extra_asked(), 1u);
  release(alloc());
  ASSERT_GT(daemon_.table()->take_all(), 0u);
  daemon_.table()->ring();
  ASSERT_TRUE(daemon_.becomes([](const FakeDaemon::Seen& seen) { return !seen.released.empty(); }));
  alloc();
  EXPECT_EQ(extra_asked(), 0u);
}

TEST_F(LocalCacheTest, ExtrasThatWereTakenAtOnceAreGivenBack) {
  daemon_.lend_tables(1);
  connect(settings());
  alloc();
  daemon_.follow([&](FakeDaemon::Peer& peer, const wire::Envelope& request) {
    if (!request.has_alloc()) return false;
    std::vector<UniqueFd> fds;
    wire::Envelope answer;
    answer.set_request_id(request.request_id());
    for (const uint64_t lease : {uint64_t{102}, uint64_t{103}}) {
      fds.push_back(make_memfd(4096));
      wire::Grant& grant = *answer.mutable_granted()->add_grants();
      grant = describe(fds.back().get(), lease);
      grant.set_slot(daemon_.table()->add(lease, lease == 102));
      if (lease == 103) grant.set_extra_of(1);
    }
    EXPECT_TRUE(daemon_.table()->take(103));
    daemon_.table()->ring();
    peer.send(answer, borrow(fds));
    return true;
  });
  alloc();
  EXPECT_TRUE(released({103}));
  EXPECT_EQ(stats().kept_count, 0u);
}

TEST_F(LocalCacheTest, OneThatCannotBeImportedIsNotMissed) {
  daemon_.lend_tables(1);
  connect(settings());
  alloc();
  daemon_.follow([&](FakeDaemon::Peer& peer, const wire::Envelope& request) {
    if (!request.has_alloc()) return false;
    wire::Envelope answer;
    answer.set_request_id(request.request_id());
    const UniqueFd one = make_memfd(4096);
    const UniqueFd extra = make_memfd(4096);
    *answer.mutable_granted()->add_grants() = describe(one.get(), 102);
    wire::Grant& grant = *answer.mutable_granted()->add_grants();
    grant = describe(extra.get(), 103);
    grant.set_inode(grant.inode() + 1);
    grant.set_extra_of(1);
    peer.send(answer, {one.get(), extra.get()});
    return true;
  });
  EXPECT_NE(alloc(), nullptr);
  EXPECT_TRUE(released({103}));
}

// Its words are the parent's leases.
TEST_F(LocalCacheTest, AForkedChildDoesNotHaveTheTable) {
  connect(settings());
  panbo_bo* bo = alloc();
  release(alloc());
  const pid_t pid = ::fork();
  if (pid == 0) {
    const int calls = kernel_.calls();
    const bool dead = panbo_bo_release(bo, PANBO_RELEASE_IDLE) == -EOWNERDEAD;
    panbo_client_close(client_);
    ::_exit(dead && kernel_.calls() == calls ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(daemon_.table()->use_of(101), LeaseUse::kInUse);
  EXPECT_EQ(daemon_.table()->use_of(102), LeaseUse::kUnused);
  release(bo);
  EXPECT_EQ(alloc(), bo);
}

}  // namespace
}  // namespace panbo::test
