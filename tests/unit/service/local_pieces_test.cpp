// The cost of unused leases: how many words are looked at, and when. Counted, not timed.

#include <gtest/gtest.h>

#include <vector>

#include "daemon/service/local_cache.h"
#include "tests/support/fake_device.h"
#include "tests/support/fake_memory.h"

namespace panbo {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t kPage = 4096;

/// A client with a whole table.
class Keeper : public ClientPort {
 public:
  Keeper(LocalCache& cache, uint64_t id, std::shared_ptr<Account> user)
      : cache_(cache), id_{id}, account_(std::make_shared<Account>("client", kNoLimit, std::move(user))) {
    cache_.open(id_, *this, account_, table_);
  }
  ~Keeper() override {
    for (const uint32_t slot : slots_) cache_.remove(id_, slot);
    cache_.close(id_);
  }

  void reply(RequestId, ClientReply) override {}
  void close() override {}
  std::span<LeaseWord> make_lease_table() override { return table_; }
  void ring() override { ++rings; }

  void add(int count, uint64_t size, Time now, LeaseUse use = LeaseUse::kInUse) {
    Bo bo;
    bo.key.size = size;
    for (int i = 0; i < count; ++i) slots_.push_back(cache_.add(id_, bo, use, now));
  }
  /// As the client's library does it.
  void free(size_t index, Time now) {
    bool wake = false;
    LeaseWord& word = table_[slots_[index]];
    static_cast<void>(free_lease(word, word, table_[0], wake));
    if (wake) cache_.client_says_unused(id_, now);
  }
  void free_all(Time now) {
    for (size_t i = 0; i < slots_.size(); ++i) free(i, now);
  }
  bool use(size_t index) { return use_lease(table_[slots_[index]], table_[slots_[index]]); }
  /// Gives back what was taken, at most so many.
  void give_back(size_t most = SIZE_MAX) {
    std::erase_if(slots_, [&](uint32_t slot) {
      if (most == 0 || lease_use(table_[slot]) != LeaseUse::kTaken) return false;
      --most;
      cache_.remove(id_, slot);
      return true;
    });
  }
  bool is_taken(size_t index) const { return lease_use(table_[slots_[index]]) == LeaseUse::kTaken; }
  int taken() const {
    int count = 0;
    for (size_t i = 0; i < slots_.size(); ++i) count += is_taken(i);
    return count;
  }
  ClientId id() const { return id_; }
  const Account& account() const { return *account_; }

  int rings = 0;

 private:
  LocalCache& cache_;
  ClientId id_;
  std::shared_ptr<Account> account_;
  std::vector<LeaseWord> table_ = std::vector<LeaseWord>(kLeaseTableWords);
  std::vector<uint32_t> slots_;
};

class LocalPiecesTest : public testing::Test {
 protected:
  Keeper& join(std::shared_ptr<Account> user) {
    keepers_.push_back(std::make_unique<Keeper>(cache_, keepers_.size() + 1, std::move(user)));
    return *keepers_.back();
  }
  /// 200 clients of ten users with 40 leases each.
  void crowd() {
    for (int i = 0; i < 200; ++i) join(users_[static_cast<size_t>(i % 10)]).add(40, kPage, now_);
  }
  void free_everything() {
    for (auto& keeper : keepers_) keeper->free_all(now_);
  }
  /// Ticks until nothing is due any more at that time. Each of them must keep to its bound.
  int ticks_until(Time end) {
    int ticks = 0;
    for (; cache_.next_deadline() && *cache_.next_deadline() <= end; ++ticks) {
      now_ = std::max(now_, *cache_.next_deadline());
      const uint64_t before = cache_.looked();
      cache_.tick(now_);
      EXPECT_LE(cache_.looked() - before, LocalCache::kWordsInPiece + LocalCache::kLeasesInPiece);
      most_looked_ = std::max(most_looked_, cache_.looked() - before);
    }
    now_ = std::max(now_, end);
    return ticks;
  }
  int run_for(Duration time) { return ticks_until(now_ + time); }

  FakeDevice device_;
  FakeMemory memory_;
  BoPool pool_{device_, nullptr, memory_, {}};
  LocalCache cache_{pool_, {}, [this](ClientId id, const Amount&) { overdue_.push_back(id); }};
  std::vector<std::shared_ptr<Account>> users_ = [] {
    std::vector<std::shared_ptr<Account>> users;
    for (int i = 0; i < 10; ++i) users.push_back(std::make_shared<Account>("user", kNoLimit, nullptr));
    return users;
  }();
  std::vector<std::unique_ptr<Keeper>> keepers_;
  std::vector<ClientId> overdue_;
  Time now_{1h};
  uint64_t most_looked_ = 0;
};

TEST_F(LocalPiecesTest, ARequestThatFindsNothingLooksAtNoWord) {
  crowd();
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(cache_.ask_back({.bytes = 100 * kPage}, now_), AskBack::kScanning);
    EXPECT_EQ(cache_.ask_back({.bytes = 10'000 * kPage}, now_), AskBack::kNothing);
    EXPECT_EQ(cache_.unused(), Amount{});
  }
  EXPECT_EQ(cache_.looked(), 0u);
}

TEST_F(LocalPiecesTest, ManyWhoAskShareOneScan) {
  crowd();
  // 100 requests in each of 100 ms.
  const Time end = now_ + 100ms;
  for (; now_ < end; ticks_until(now_ + 1ms)) {
    for (int i = 0; i < 100; ++i) static_cast<void>(cache_.ask_back({.bytes = 100 * kPage}, now_));
  }
  EXPECT_EQ(cache_.scans(), 11u);
  EXPECT_EQ(cache_.looked(), 11u * 200) << "one word of each table, since none of them is watched";
}

TEST_F(LocalPiecesTest, ScansThatCostMuchComeLessOften) {
  for (int i = 0; i < 16; ++i) join(users_[0]).add(4000, kPage, now_);
  free_everything();
  const Time end = now_ + 1s;
  for (; now_ < end; ticks_until(now_ + 1ms)) static_cast<void>(cache_.ask_back({.bytes = 70'000 * kPage}, now_));
  static_cast<void>(cache_.ask_back({.bytes = 70'000 * kPage}, now_));
  EXPECT_LE(cache_.looked(), 40u * 64'000) << "at half a microsecond for each word, and twice if it decays";
}

TEST_F(LocalPiecesTest, AScanOfManyWordsIsCutIntoPieces) {
  for (int i = 0; i < 16; ++i) join(users_[0]).add(4000, kPage, now_);
  free_everything();
  EXPECT_EQ(run_for(250ms), 16);
  EXPECT_EQ(cache_.scans(), 1u);
  EXPECT_EQ(cache_.unused(), (Amount{64'000, 64'000 * kPage}));
  EXPECT_EQ(most_looked_, 4002u) << "those of one table, and the first ones of two";
}

TEST_F(LocalPiecesTest, WhatDecaysIsTakenAFewAtATime) {
  join(users_[0]).add(1000, kPage, now_);
  free_everything();
  run_for(1249ms);
  ASSERT_EQ(cache_.taken(), Amount{});
  EXPECT_GE(run_for(1ms), 1000 / 64);
  EXPECT_EQ(cache_.taken(), (Amount{1000, 1000 * kPage}));
  EXPECT_LE(keepers_[0]->rings, 1000 / 64 + 1);
}

TEST_F(LocalPiecesTest, NoMoreIsTakenThanIsWanted) {
  crowd();
  free_everything();
  run_for(250ms);
  ASSERT_EQ(cache_.unused().count, 8000u);
  EXPECT_EQ(cache_.ask_back({.bytes = 100 * kPage, .asker = &keepers_[0]->account(), .request = 1}, now_),
            AskBack::kComing);
  EXPECT_EQ(cache_.taken(), Amount{}) << "that is what ticks are for";
  run_for(0ms);
  EXPECT_EQ(cache_.taken().count, 100u);
  EXPECT_EQ(cache_.ask_back({.bytes = 100 * kPage, .request = 1}, now_), AskBack::kComing);
  run_for(0ms);
  EXPECT_EQ(cache_.taken().count, 100u) << "it is on its way already";
  EXPECT_EQ(cache_.ask_back({.bytes = 100 * kPage, .request = 2}, now_), AskBack::kComing);
  run_for(0ms);
  EXPECT_EQ(cache_.taken().count, 200u) << "but was promised to another";
}

TEST_F(LocalPiecesTest, WhatSeveralWantAddsUpToWhatThereIs) {
  crowd();
  free_everything();
  run_for(250ms);
  for (uint64_t request = 1; request <= 80; ++request) {
    EXPECT_EQ(cache_.ask_back({.bytes = 100 * kPage, .request = request}, now_), AskBack::kComing) << request;
  }
  EXPECT_EQ(cache_.ask_back({.bytes = kPage, .request = 81}, now_), AskBack::kScanning);
  // The same one again wants no more than before.
  EXPECT_EQ(cache_.ask_back({.bytes = 100 * kPage, .request = 80}, now_), AskBack::kComing);
  run_for(0ms);
  EXPECT_EQ(cache_.taken().count, 8000u);
}

TEST_F(LocalPiecesTest, ARequestThatCanNeverBeServedTakesNothing) {
  crowd();
  uint64_t scan = 0;
  for (int i = 0; i < 50; ++i) {
    free_everything();
    run_for(100ms);
    EXPECT_NE(cache_.ask_back({.bytes = 100'000 * kPage, .request = 1, .scan = scan}, now_), AskBack::kComing);
    if (scan == 0) scan = cache_.next_scan();
    for (auto& keeper : keepers_) {
      for (size_t j = 0; j < 40; ++j) ASSERT_TRUE(keeper->use(j));
    }
  }
  EXPECT_EQ(cache_.taken(), Amount{});
}

TEST_F(LocalPiecesTest, OnlyAScanThatBeganLaterAnswersARequest) {
  for (int i = 0; i < 3; ++i) join(users_[0]).add(4000, kPage, now_);
  keepers_[0]->free(0, now_);
  keepers_[1]->free(0, now_);
  keepers_[2]->free(0, now_);
  now_ += 250ms;
  EXPECT_FALSE(cache_.tick(now_)) << "it has passed the first table";
  keepers_[0]->free(1, now_);
  const Need need{.bytes = 4 * kPage, .request = 1};
  EXPECT_EQ(cache_.ask_back(need, now_), AskBack::kScanning);
  const uint64_t scan = cache_.next_scan();
  while (!cache_.tick(now_)) continue;
  EXPECT_EQ(cache_.scans(), scan - 1);
  EXPECT_EQ(cache_.ask_back({.bytes = 4 * kPage, .request = 1, .scan = scan}, now_), AskBack::kScanning);
  run_for(20ms);
  EXPECT_EQ(cache_.scans(), scan);
  EXPECT_EQ(cache_.ask_back({.bytes = 4 * kPage, .request = 1, .scan = scan}, now_), AskBack::kComing);
}

TEST_F(LocalPiecesTest, AFullAccountIsHelpedByItsOwnLeasesOnly) {
  Keeper& one = join(users_[0]);
  Keeper& sibling = join(users_[0]);
  Keeper& stranger = join(users_[1]);
  for (Keeper* keeper : {&one, &sibling, &stranger}) keeper->add(10, kPage, now_);
  free_everything();
  run_for(250ms);
  EXPECT_EQ(cache_.ask_back({.account = &one.account(), .bos = 11}, now_), AskBack::kNothing);
  EXPECT_EQ(cache_.ask_back({.account = users_[0].get(), .bos = 21}, now_), AskBack::kNothing);
  EXPECT_EQ(cache_.ask_back({.account = users_[2].get(), .bos = 1}, now_), AskBack::kNothing);
  EXPECT_EQ(cache_.ask_back({.account = &sibling.account(), .bos = 7}, now_), AskBack::kComing);
  run_for(0ms);
  EXPECT_EQ(one.taken() + stranger.taken(), 0);
  EXPECT_EQ(cache_.taken(sibling.id()).count, 7u);
  EXPECT_EQ(cache_.ask_back({.account = users_[0].get(), .bytes = 20 * kPage}, now_), AskBack::kComing);
  run_for(0ms);
  EXPECT_EQ(one.taken(), 10);
  EXPECT_EQ(stranger.taken(), 0);
}

TEST_F(LocalPiecesTest, TheLongestUnusedGoFirst) {
  Keeper& keeper = join(users_[0]);
  keeper.add(3, kPage, now_);
  for (const size_t index : {2, 0, 1}) {
    keeper.free(index, now_);
    run_for(250ms);
  }
  cache_.take({.bytes = 2 * kPage}, now_);
  run_for(20ms);
  EXPECT_TRUE(keeper.is_taken(2));
  EXPECT_TRUE(keeper.is_taken(0));
  EXPECT_FALSE(keeper.is_taken(1));
}

TEST_F(LocalPiecesTest, UsersWhoHaveMostGiveUntilTheyHaveNoMoreThanTheOthers) {
  const int unused[] = {5, 30, 20, 10};
  for (size_t i = 0; i < 4; ++i) join(users_[i]).add(unused[i], kPage, now_);
  free_everything();
  run_for(250ms);
  // The first one's user asks: 5 of its own, and 25 of others.
  EXPECT_EQ(cache_.ask_back({.bytes = 30 * kPage, .asker = &keepers_[0]->account()}, now_), AskBack::kComing);
  run_for(0ms);
  EXPECT_EQ(keepers_[0]->taken(), 5);
  EXPECT_EQ(keepers_[1]->taken() + keepers_[2]->taken(), 25);
  EXPECT_NEAR(static_cast<double>(cache_.unused(keepers_[1]->id()).count),
              static_cast<double>(cache_.unused(keepers_[2]->id()).count), 1);
  EXPECT_EQ(keepers_[3]->taken(), 0);
}

TEST_F(LocalPiecesTest, WhatIsNotGivenBackInTimeIsNotCountedOn) {
  Keeper& keeper = join(users_[0]);
  keeper.add(2000, kPage, now_);
  free_everything();
  run_for(250ms);
  ASSERT_EQ(cache_.ask_back({.bytes = 2000 * kPage, .request = 1}, now_), AskBack::kComing);
  run_for(99ms);
  EXPECT_EQ(cache_.ask_back({.bytes = 2000 * kPage, .request = 1}, now_), AskBack::kComing);
  keeper.give_back(1000);
  EXPECT_EQ(cache_.ask_back({.bytes = 1001 * kPage, .request = 1}, now_), AskBack::kNothing);
  EXPECT_EQ(cache_.ask_back({.bytes = 1000 * kPage, .request = 1}, now_), AskBack::kComing);
  run_for(1ms);
  EXPECT_EQ(cache_.ask_back({.bytes = kPage, .request = 1}, now_), AskBack::kNothing);
}

TEST_F(LocalPiecesTest, ATableThatIsFlippedAllTheTimeIsLookedAtOnceInAScan) {
  Keeper& busy = join(users_[0]);
  Keeper& idle = join(users_[1]);
  busy.add(1000, kPage, now_);
  idle.add(1000, kPage, now_);
  const Time end = now_ + 10s;
  for (; now_ < end; ticks_until(now_ + 1ms)) {
    for (size_t i = 0; i < 1000; ++i) busy.free(i, now_);
    for (size_t i = 0; i < 1000; ++i) busy.use(i);
    cache_.client_says_unused(busy.id(), now_);
  }
  EXPECT_LE(cache_.scans(), 40u);
  EXPECT_LE(cache_.looked(busy.id()), 40u * 2001);
  EXPECT_LE(cache_.looked(idle.id()), 40u) << "nobody else's words are looked at for that";
  EXPECT_EQ(cache_.taken(), Amount{});
}

TEST_F(LocalPiecesTest, ALeaseThatIsUsedJustBeforeItIsTakenIsNotTriedForEver) {
  Keeper& keeper = join(users_[0]);
  keeper.add(100, kPage, now_);
  free_everything();
  run_for(250ms);
  for (size_t i = 0; i < 50; ++i) ASSERT_TRUE(keeper.use(i));
  const uint64_t before = cache_.looked(), scans = cache_.scans();
  ASSERT_EQ(cache_.ask_back({.bytes = 60 * kPage, .request = 1}, now_), AskBack::kComing);
  run_for(20ms);
  EXPECT_EQ(keeper.taken(), 50);
  EXPECT_EQ(cache_.unused(), Amount{});
  EXPECT_EQ(cache_.scans(), scans + 1) << "it did not get what it wanted, so there is another look";
  EXPECT_LE(cache_.looked() - before, 100u + 2 * 101);
}

TEST_F(LocalPiecesTest, EachWhoKeepsWhatWasTakenIsNamedOnceUntilItHasGivenBackAll) {
  Keeper& first = join(users_[0]);
  Keeper& second = join(users_[1]);
  first.add(1000, kPage, now_);
  second.add(1000, kPage, now_);
  free_everything();
  run_for(15s);
  EXPECT_EQ(overdue_, (std::vector<ClientId>{first.id(), second.id()}));
  EXPECT_EQ(cache_.next_deadline(), std::nullopt);
  first.give_back();
  EXPECT_EQ(cache_.taken(first.id()), Amount{});
  first.add(1, kPage, now_, LeaseUse::kUnused);
  run_for(15s);
  EXPECT_EQ(overdue_.size(), 3u);
}

TEST_F(LocalPiecesTest, AClientThatLeavesTakesWhatItHasOutOfAllSums) {
  crowd();
  free_everything();
  run_for(250ms);
  ASSERT_EQ(cache_.ask_back({.bytes = 8000 * kPage, .request = 1}, now_), AskBack::kComing);
  cache_.tick(now_);
  ASSERT_EQ(cache_.taken().count, LocalCache::kLeasesInPiece);
  keepers_.clear();
  EXPECT_EQ(cache_.unused(), Amount{});
  EXPECT_EQ(cache_.taken(), Amount{});
  run_for(1s);
  EXPECT_EQ(cache_.next_deadline(), std::nullopt);
}

TEST_F(LocalPiecesTest, TheScanGoesOnWhereAClientHasLeft) {
  for (int i = 0; i < 4; ++i) join(users_[0]).add(4000, kPage, now_);
  free_everything();
  now_ += 250ms;
  EXPECT_FALSE(cache_.tick(now_));
  keepers_.erase(keepers_.begin() + 1);
  keepers_.erase(keepers_.begin());
  run_for(0ms);
  EXPECT_EQ(cache_.scans(), 1u);
  EXPECT_EQ(cache_.unused().count, 8000u);
}

TEST(WhoseGoesFirst, OnesOwnAndThenThoseOfWhoHasMost) {
  LeaseHolder own, rich;
  own.unused = {1, 10};
  rich.unused = {5, 50};
  EXPECT_EQ(whose_goes_first(&own, &rich), &own);
  EXPECT_EQ(whose_goes_first(nullptr, &rich), &rich);
  own.unused = {};
  EXPECT_EQ(whose_goes_first(&own, &rich), &rich);
  EXPECT_EQ(whose_goes_first(&own, nullptr), nullptr);
}

}  // namespace
}  // namespace panbo
