#include "daemon/core/stock.h"

#include <gtest/gtest.h>

#include "daemon/core/allocator.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_device.h"
#include "tests/support/fake_memory.h"
#include "tests/support/fake_worker.h"

namespace panbo {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

TEST(Stock, NamesWhatIsMissingTheSmallestFirst) {
  Stock stock({{.size = 5000, .count = 1}, {.size = kMiB, .count = 1}}, 4096);
  EXPECT_EQ(stock.missing(), 8192u) << "a size is rounded to its class";
  Bo small{.key = {.size = 8192}};
  Bo large{.key = {.size = kMiB}};
  stock.insert(small);
  EXPECT_EQ(stock.missing(), kMiB);
  stock.insert(large);
  EXPECT_EQ(stock.missing(), std::nullopt);
  EXPECT_EQ(stock.due(), std::nullopt);
  EXPECT_EQ(stock.largest(), &large);
  EXPECT_EQ(stock.any(8192), &small);
  EXPECT_EQ(stock.any(4096), nullptr);
  stock.remove(small);
  EXPECT_EQ(stock.missing(), 8192u);
}

TEST(Stock, TwoItemsOfAClassAreOne) {
  Stock stock({{.size = 1, .count = 1}, {.size = 4096, .count = 1}}, 4096);
  Bo one{.key = {.size = 4096}};
  Bo two{.key = {.size = 4096}};
  stock.insert(one);
  EXPECT_EQ(stock.missing(), 4096u);
  stock.insert(two);
  EXPECT_EQ(stock.missing(), std::nullopt);
}

TEST(Stock, TriesLaterAndLaterUntilOneSucceeds) {
  Stock stock({{.size = 4096, .count = 10}}, 4096);
  Time now{};
  for (const int seconds : {1, 2, 4, 8, 16, 32, 60, 60}) {
    stock.failed(now);
    EXPECT_EQ(stock.due(), now + std::chrono::seconds(seconds));
    now = *stock.due();
  }
  stock.made(now);
  EXPECT_LT(*stock.due(), now + std::chrono::seconds(1));
  stock.failed(now);
  EXPECT_EQ(stock.due(), now + std::chrono::seconds(1));
}

/// A stock of two BOs of 1 MiB, with what fills it.
class StockedAllocatorTest : public testing::Test {
 protected:
  Demand demand(uint32_t user = 1000, bool zeroed = false) {
    return {.domain = DomainId{user},
            .client = ClientId{user},
            .user = UserId{user},
            .account = account_,
            .size = kMiB,
            .zeroed = zeroed};
  }
  /// As a request does it: what is ready, else what is in stock, else what the kernel makes.
  Loan allocate(const Demand& demand) {
    Price price = 0;
    Charge paid = Charge::take(demand.account, allocator_.cost_of(demand)).value();
    const Loan loan = allocator_.lend(demand, paid, price, clock_.now());
    if (loan.bo != nullptr) return loan;
    return allocator_.create(demand, paid, false, price, clock_.now()).value();
  }
  /// Lets time pass as the app would. Returns how often it woke up.
  int run_for(Duration duration) {
    const Time end = clock_.now() + duration;
    int wakeups = 0;
    for (; pool_.next_deadline() && *pool_.next_deadline() <= end; ++wakeups) {
      clock_.advance(std::max(*pool_.next_deadline() - clock_.now(), Duration::zero()));
      pool_.tick(clock_.now());
      allocator_.restock(local_, clock_.now());
    }
    clock_.advance(end - clock_.now());
    return wakeups;
  }
  [[nodiscard]] Amount stocked() const { return pool_.amount(BoState::kStocked); }

  FakeClock clock_;
  FakeDevice device_;
  FakeMemory memory_;
  uint64_t local_ = 0;
  std::shared_ptr<Account> account_ = std::make_shared<Account>("account", kNoLimit, nullptr);
  BoPool pool_{device_, nullptr, memory_, {.stock = {{.size = kMiB, .count = 2}}}};
  BoardRoom room_{pool_, nullptr, memory_, {.total_max = 16 * kMiB}};
  Allocator allocator_{device_, nullptr, pool_, room_, {}};
};

TEST_F(StockedAllocatorTest, IsFilledEvictableAndThenWakesNobody) {
  run_for(std::chrono::seconds(1));
  EXPECT_EQ(stocked(), (Amount{2, 2 * kMiB}));
  for (const auto& [handle, bo] : device_.bos()) EXPECT_TRUE(bo.evictable);
  EXPECT_EQ(account_->used(), Cost{});
  EXPECT_EQ(run_for(std::chrono::hours(1)), 0);
}

TEST_F(StockedAllocatorTest, ServesAnyDomainAsFreshAlsoZeroedWithoutTheKernel) {
  run_for(std::chrono::seconds(1));
  for (const auto& loan : {allocate(demand(1000)), allocate(demand(2000, true))}) {
    EXPECT_TRUE(loan.fresh);
    EXPECT_FALSE(loan.pending());
    EXPECT_FALSE(device_.bo(loan.bo->device.handle).evictable);
  }
  EXPECT_EQ(device_.creations(), 2);
  EXPECT_EQ(account_->used().bos, 2u);
  EXPECT_EQ(stocked(), Amount{});
}

TEST_F(StockedAllocatorTest, WhatItLentBelongsToTheBorrowersDomain) {
  run_for(std::chrono::seconds(1));
  Bo* bo = allocate(demand(1000)).bo;
  pool_.release(*bo, clock_.now());
  EXPECT_NE(allocate(demand(2000)).bo, bo);
  EXPECT_EQ(allocate(demand(1000)).bo, bo);
}

TEST_F(StockedAllocatorTest, TheCacheComesFirst) {
  run_for(std::chrono::seconds(1));
  Bo* bo = allocate(demand()).bo;
  pool_.release(*bo, clock_.now());
  EXPECT_FALSE(allocate(demand()).fresh);
}

TEST_F(StockedAllocatorTest, WhatWasTakenIsReplaced) {
  run_for(std::chrono::seconds(1));
  allocate(demand());
  run_for(std::chrono::seconds(1));
  EXPECT_EQ(stocked().count, 2u);
}

TEST_F(StockedAllocatorTest, WhatTheKernelTookIsNoticedAndReplacedLater) {
  run_for(std::chrono::seconds(1));
  device_.purge();
  EXPECT_TRUE(allocate(demand()).fresh);
  EXPECT_EQ(pool_.purged(), (Amount{2, 2 * kMiB}));
  EXPECT_EQ(stocked(), Amount{});
  run_for(std::chrono::milliseconds(999));
  EXPECT_EQ(stocked(), Amount{});
  run_for(std::chrono::seconds(1));
  EXPECT_EQ(stocked().count, 2u);
}

TEST_F(StockedAllocatorTest, ALookAtTheStockLeavesWhatIsThereEvictable) {
  run_for(std::chrono::seconds(1));
  pool_.check_stock(clock_.now());
  EXPECT_EQ(stocked().count, 2u);
  for (const auto& [handle, bo] : device_.bos()) EXPECT_TRUE(bo.evictable);
}

TEST_F(StockedAllocatorTest, GivesWayToWhoeverNeedsTheMemory) {
  run_for(std::chrono::seconds(1));
  EXPECT_EQ(room_.lacking(16 * kMiB), 0u);
  pool_.evict_all(kEvictPiece, clock_.now());
  EXPECT_EQ(stocked(), Amount{});
}

TEST_F(StockedAllocatorTest, StaysWhenTheCacheHasToLeaveHeadroom) {
  run_for(std::chrono::seconds(1));
  pool_.release(*allocate(demand()).bo, clock_.now());
  memory_.bytes = 4 * kMiB;
  EXPECT_EQ(pool_.keep_headroom(2 * kMiB, clock_.now()), kMiB)
      << "clients keep too much, the kernel can take the stock";
  EXPECT_EQ(pool_.ready(), Amount{});
  EXPECT_EQ(stocked().count, 1u);
}

TEST_F(StockedAllocatorTest, IsNotFilledWhileMemoryIsShort) {
  memory_.bytes = 4 * kMiB;
  run_for(std::chrono::minutes(10));
  EXPECT_EQ(stocked(), Amount{}) << "less than a quarter would be left";
  memory_.bytes = 1024 * kMiB;
  local_ = 256 * kMiB;
  run_for(std::chrono::minutes(10));
  EXPECT_EQ(stocked(), Amount{}) << "clients keep a quarter";
  memory_.bytes = UINT64_MAX;
  run_for(std::chrono::minutes(1));
  EXPECT_EQ(stocked().count, 2u);
  EXPECT_EQ(pool_.evicted(), Amount{});
}

TEST_F(StockedAllocatorTest, LargeOnesAreLeftToTheWorkerOneAtATime) {
  FakeWorker worker(device_);
  BoPool pool(device_, &worker, memory_, {.stock = {{.size = kMiB, .count = 2}}});
  BoardRoom room(pool, &worker, memory_, {});
  Allocator allocator(device_, &worker, pool, room, {});
  worker.on_created = [&](BoId id, const Result<DeviceBo>& result) {
    EXPECT_TRUE(allocator.restocked(id, result, clock_.now()));
  };
  allocator.restock(0, clock_.now());
  EXPECT_EQ(pool.stock().due(), std::nullopt);
  worker.work_all();
  EXPECT_EQ(pool.amount(BoState::kStocked).count, 1u);
  clock_.advance(std::chrono::seconds(1));
  allocator.restock(0, clock_.now());
  worker.work_all();
  EXPECT_EQ(pool.amount(BoState::kStocked).count, 2u);
}

}  // namespace
}  // namespace panbo
