#include "daemon/service/local_leases.h"

#include <gtest/gtest.h>

#include <array>

namespace panbo {
namespace {

using namespace std::chrono_literals;

constexpr Time kStart{1h};

class LocalLeasesTest : public testing::Test {
 protected:
  struct Unused {
    LeaseRef ref;
    Time since;
  };

  uint32_t add(LeaseUse use = LeaseUse::kInUse) { return leases_.add(4096, use, kStart); }
  /// As the client does it. Returns whether it has to tell.
  bool free(uint32_t slot) {
    bool wake = false;
    static_cast<void>(free_lease(words_[slot], words_[slot], words_[0], wake));
    return wake;
  }
  /// What a look finds, the longest unused first.
  std::vector<Unused> unused_at(Time now) {
    leases_.look(now);
    std::vector<Unused> unused;
    for (LeaseRef ref = leases_.holder().front; ref != 0; ref = book_[ref].links[2].next) {
      unused.push_back({ref, book_[ref].since});
    }
    EXPECT_EQ(unused.size(), leases_.holder().unused.count);
    return unused;
  }
  /// One scan.
  void scan(Time now) {
    if (!leases_.wants_look()) return;
    leases_.look(now);
    if (leases_.may_rest()) leases_.rest(now);
    leases_.end_scan();
  }
  /// Takes the one lease that is unused as of the last look.
  bool take(AfterRelease after, Time now) { return leases_.take(leases_.holder().front, after, now); }

  std::array<LeaseWord, 4> words_{};
  std::shared_ptr<Account> user_ = std::make_shared<Account>("user", kNoLimit, nullptr);
  Account account_{"client", kNoLimit, user_};
  LeaseBook book_;
  LocalLeases leases_{book_, ClientId{1}, account_, words_};
};

TEST_F(LocalLeasesTest, EveryLeaseHasAWordUntilTheyRunOut) {
  EXPECT_EQ(add(), 1u);
  EXPECT_EQ(add(), 2u);
  EXPECT_EQ(add(), 3u);
  EXPECT_FALSE(leases_.has_room());
  EXPECT_EQ(add(), 0u);
  leases_.remove(2);
  EXPECT_EQ(add(), 2u);
}

TEST_F(LocalLeasesTest, ANewLeasesWordDoesNotDependOnTheOneBefore) {
  const uint32_t slot = add();
  words_[slot] = 12345;
  leases_.remove(slot);
  EXPECT_EQ(add(), slot);
  EXPECT_EQ(lease_use(words_[slot]), LeaseUse::kInUse);
}

TEST_F(LocalLeasesTest, KnowsSinceWhenALeaseIsUnused) {
  const uint32_t slot = add();
  EXPECT_TRUE(unused_at(kStart + 1s).empty());
  free(slot);
  EXPECT_EQ(unused_at(kStart + 2s).at(0).since, kStart + 2s);
  EXPECT_EQ(unused_at(kStart + 3s).at(0).since, kStart + 2s);
  // Used and freed again between two looks: that is another stay.
  words_[slot] = with_use(words_[slot], LeaseUse::kInUse);
  free(slot);
  EXPECT_EQ(unused_at(kStart + 4s).at(0).since, kStart + 4s);
}

TEST_F(LocalLeasesTest, TakesOnlyWhatItSawUnused) {
  const uint32_t slot = add(LeaseUse::kUnused);
  words_[slot] = with_use(words_[slot], LeaseUse::kInUse);
  free(slot);
  EXPECT_FALSE(take(AfterRelease::kDestroy, kStart + 1s)) << "it was used since";
  EXPECT_EQ(book_[leases_.holder().front].since, kStart + 1s) << "and that was a look";
  EXPECT_TRUE(take(AfterRelease::kDestroy, kStart + 1s));
  EXPECT_EQ(lease_use(words_[slot]), LeaseUse::kTaken);
}

TEST_F(LocalLeasesTest, WhatIsUsedWhenItIsToBeTakenIsSeenToBeInUse) {
  const uint32_t slot = add(LeaseUse::kUnused);
  words_[slot] = with_use(words_[slot], LeaseUse::kInUse);
  EXPECT_FALSE(take(AfterRelease::kDestroy, kStart));
  EXPECT_EQ(leases_.holder().unused, Amount{});
  EXPECT_EQ(leases_.holder().front, 0u);
}

TEST_F(LocalLeasesTest, TellsAtTheEndSinceWhenATakenLeaseWasUnused) {
  const uint32_t kept = add(LeaseUse::kUnused), used = add();
  leases_.look(kStart + 1s);
  ASSERT_TRUE(take(AfterRelease::kCache, kStart + 5s));
  EXPECT_EQ(leases_.remove(kept).unused_since, kStart);
  EXPECT_EQ(leases_.remove(used).unused_since, std::nullopt);
}

TEST_F(LocalLeasesTest, WhatWasTakenStaysTakenWhateverTheClientWrites) {
  const uint32_t slot = add(LeaseUse::kUnused);
  ASSERT_TRUE(take(AfterRelease::kDestroy, kStart));
  for (const uint32_t word : {0u, 1u, 5u, 0xffffffffu}) {
    words_[slot] = word;
    EXPECT_TRUE(unused_at(kStart + 1s).empty());
    EXPECT_EQ(leases_.holder().unused, Amount{});
    EXPECT_EQ(leases_.holder().taken, (Amount{1, 4096}));
  }
  EXPECT_EQ(leases_.remove(slot).after, AfterRelease::kDestroy);
  EXPECT_EQ(leases_.holder().taken, Amount{});
}

TEST_F(LocalLeasesTest, ATableIsWatchedWhileSomethingIsUnused) {
  const uint32_t slot = add();
  EXPECT_FALSE(leases_.watched());
  EXPECT_TRUE(free(slot)) << "nobody looks, so the client says so";
  leases_.client_says_unused();
  for (int i = 1; i < 5; ++i) {
    scan(kStart + i * 1s);
    EXPECT_TRUE(leases_.watched());
  }
  leases_.look(kStart + 5s);
  ASSERT_TRUE(take(AfterRelease::kCache, kStart + 5s));
  scan(kStart + 5s);
  EXPECT_FALSE(leases_.watched());
}

TEST_F(LocalLeasesTest, ATableIsLookedAtBeforeItsClientsMessageHasCome) {
  const uint32_t slot = add();
  EXPECT_FALSE(leases_.wants_look());
  EXPECT_TRUE(free(slot));
  scan(kStart + 1s);
  EXPECT_EQ(leases_.holder().unused, (Amount{1, 4096}));
  EXPECT_TRUE(leases_.watched());
}

TEST_F(LocalLeasesTest, AClientAtWorkNeedNotSayAgainAndAgainThatSomethingIsUnused) {
  const uint32_t slot = add();
  free(slot);
  leases_.client_says_unused();
  // At each scan it happens to use its only lease.
  for (int i = 1; i < 5; ++i) {
    words_[slot] = with_use(words_[slot], LeaseUse::kInUse);
    scan(kStart + i * 1s);
    EXPECT_TRUE(leases_.watched());
    EXPECT_FALSE(free(slot));
  }
  words_[slot] = with_use(words_[slot], LeaseUse::kInUse);
  scan(kStart + 6s);
  scan(kStart + 7s);
  EXPECT_FALSE(leases_.watched());
  EXPECT_TRUE(free(slot));
}

TEST_F(LocalLeasesTest, WhatIsFreedBetweenTheLookAndTheRestIsSeen) {
  const uint32_t slot = add();
  leases_.client_says_unused();
  words_[0] = 1;
  leases_.look(kStart);
  EXPECT_FALSE(free(slot)) << "the table is watched";
  leases_.rest(kStart);
  EXPECT_TRUE(leases_.watched());
  EXPECT_EQ(words_[0], 1u);
}

TEST_F(LocalLeasesTest, AnyWordIsALeaseInUseOrUnusedOrNothing) {
  const uint32_t slot = add();
  for (uint32_t bits = 0; bits < 4; ++bits) {
    words_[slot] = 0xabcdef00u | bits;
    EXPECT_EQ(unused_at(kStart + 1s).size(), bits == 1 ? 1u : 0u);
  }
}

}  // namespace
}  // namespace panbo
