#include "daemon/service/local_leases.h"

#include <gtest/gtest.h>

#include <array>

namespace panbo {
namespace {

using namespace std::chrono_literals;

constexpr Time kStart{1h};

class LocalLeasesTest : public testing::Test {
 protected:
  uint32_t add(LeaseUse use = LeaseUse::kInUse) { return leases_.add(BoId{1}, 4096, use, kStart); }
  /// As the client does it. Returns whether it has to tell.
  bool free(uint32_t slot) {
    bool wake = false;
    static_cast<void>(free_lease(words_[slot], words_[slot], words_[0], wake));
    return wake;
  }
  std::vector<LocalLeases::Unused> unused_at(Time now) {
    leases_.look(now);
    std::vector<LocalLeases::Unused> unused;
    leases_.append_unused(unused);
    return unused;
  }

  std::array<LeaseWord, 4> words_{};
  LocalLeases leases_{words_};
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
  leases_.look(kStart);
  words_[slot] = with_use(words_[slot], LeaseUse::kInUse);
  EXPECT_FALSE(leases_.take(slot, AfterRelease::kDestroy, kStart));
  free(slot);
  EXPECT_FALSE(leases_.take(slot, AfterRelease::kDestroy, kStart)) << "it was used since";
  leases_.look(kStart);
  EXPECT_TRUE(leases_.take(slot, AfterRelease::kDestroy, kStart));
  EXPECT_EQ(lease_use(words_[slot]), LeaseUse::kTaken);
}

TEST_F(LocalLeasesTest, TellsAtTheEndSinceWhenATakenLeaseWasUnused) {
  const uint32_t kept = add(LeaseUse::kUnused), used = add();
  leases_.look(kStart + 1s);
  ASSERT_TRUE(leases_.take(kept, AfterRelease::kCache, kStart + 5s));
  EXPECT_EQ(leases_.remove(kept).unused_since, kStart);
  EXPECT_EQ(leases_.remove(used).unused_since, std::nullopt);
}

TEST_F(LocalLeasesTest, WhatWasTakenStaysTakenWhateverTheClientWrites) {
  const uint32_t slot = add(LeaseUse::kUnused);
  leases_.look(kStart);
  ASSERT_TRUE(leases_.take(slot, AfterRelease::kDestroy, kStart));
  for (const uint32_t word : {0u, 1u, 5u, 0xffffffffu}) {
    words_[slot] = word;
    EXPECT_TRUE(unused_at(kStart + 1s).empty());
    EXPECT_FALSE(leases_.take(slot, AfterRelease::kCache, kStart + 1s));
    EXPECT_EQ(leases_.unused(), Amount{});
    EXPECT_EQ(leases_.taken(), (Amount{1, 4096}));
  }
  EXPECT_EQ(leases_.remove(slot).after, AfterRelease::kDestroy);
  EXPECT_EQ(leases_.taken(), Amount{});
}

TEST_F(LocalLeasesTest, ATableIsWatchedWhileSomethingIsUnused) {
  const uint32_t slot = add();
  EXPECT_FALSE(leases_.watched());
  EXPECT_TRUE(free(slot)) << "nobody looks, so the client says so";
  leases_.client_says_unused();
  for (int i = 1; i < 5; ++i) {
    leases_.look(kStart + i * 1s);
    leases_.rest(kStart + i * 1s);
    EXPECT_TRUE(leases_.watched());
  }
  leases_.look(kStart + 5s);
  ASSERT_TRUE(leases_.take(slot, AfterRelease::kCache, kStart + 5s));
  leases_.rest(kStart + 5s);
  EXPECT_FALSE(leases_.watched());
}

TEST_F(LocalLeasesTest, AClientAtWorkNeedNotSayAgainAndAgainThatSomethingIsUnused) {
  const uint32_t slot = add();
  free(slot);
  leases_.client_says_unused();
  // At each scan it happens to use its only lease.
  for (int i = 1; i < 5; ++i) {
    words_[slot] = with_use(words_[slot], LeaseUse::kInUse);
    leases_.look(kStart + i * 1s);
    leases_.rest(kStart + i * 1s);
    EXPECT_TRUE(leases_.watched());
    EXPECT_FALSE(free(slot));
  }
  words_[slot] = with_use(words_[slot], LeaseUse::kInUse);
  leases_.look(kStart + 6s);
  leases_.rest(kStart + 6s);
  leases_.look(kStart + 7s);
  leases_.rest(kStart + 7s);
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
    EXPECT_EQ(leases_.unused().count, bits == 1 ? 1u : 0u);
  }
}

}  // namespace
}  // namespace panbo
