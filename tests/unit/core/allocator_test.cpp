#include "daemon/core/allocator.h"

#include <gtest/gtest.h>

#include "tests/support/fake_device.h"
#include "tests/support/fake_memory.h"
#include "tests/support/fake_worker.h"

namespace panbo {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

class AllocatorTest : public testing::Test {
 protected:
  Demand demand(uint64_t size, uint32_t user = 1000) {
    return {
        .domain = DomainId{user}, .client = ClientId{user}, .user = UserId{user}, .account = account_, .size = size};
  }
  Loan lend(const Demand& demand) {
    paid_ = Charge::take(demand.account, allocator_.cost_of(demand)).value();
    return allocator_.lend(demand, paid_, price_, Time{});
  }
  Result<Loan> create(const Demand& demand, bool by_worker = false) {
    paid_ = Charge::take(demand.account, allocator_.cost_of(demand)).value();
    return allocator_.create(demand, paid_, by_worker, price_, Time{});
  }
  void cache(const Demand& demand) { pool_.release(*create(demand)->bo, Time{}); }

  FakeDevice device_;
  FakeMemory memory_;
  std::shared_ptr<Account> account_ =
      std::make_shared<Account>("account", Cost{.bytes = 16384 * kMiB, .addresses = 16384 * kMiB, .bos = 100}, nullptr);
  BoPool pool_{device_, nullptr, memory_, {}};
  BoardRoom room_{pool_, nullptr, memory_, {}};
  Allocator allocator_{device_, nullptr, pool_, room_, {}};
  Charge paid_;
  Price price_ = 0;
};

TEST_F(AllocatorTest, LendsAReadyBoOfTheClass) {
  cache(demand(kMiB));
  const Loan loan = lend(demand(kMiB - 5000));
  ASSERT_NE(loan.bo, nullptr);
  EXPECT_FALSE(loan.fresh);
  EXPECT_EQ(loan.bo->device.size, kMiB);
  EXPECT_EQ(account_->used(), (Cost{.bytes = kMiB, .addresses = kMiB, .bos = 1}));
}

TEST_F(AllocatorTest, WhatIsNotLentIsNotPaidFor) {
  EXPECT_EQ(lend(demand(kMiB)).bo, nullptr);
  paid_.reset();
  EXPECT_EQ(account_->used(), Cost{});
}

TEST_F(AllocatorTest, NeverCrossesDomains) {
  cache(demand(kMiB, 1000));
  EXPECT_EQ(lend(demand(kMiB, 2000)).bo, nullptr);
}

TEST_F(AllocatorTest, NeverServesZeroedMemoryFromTheCache) {
  cache(demand(kMiB));
  Demand zeroed = demand(kMiB);
  zeroed.zeroed = true;
  EXPECT_EQ(lend(zeroed).bo, nullptr);
}

TEST_F(AllocatorTest, DoesNotWaitForABusyBo) {
  const auto busy = create(demand(kMiB));
  device_.bo(busy->bo->device.handle).busy = true;
  pool_.release(*busy->bo, Time{});
  EXPECT_EQ(lend(demand(kMiB)).bo, nullptr);
}

TEST_F(AllocatorTest, AnExtraOneNeedsRoomInItsAccount) {
  account_ = std::make_shared<Account>("poor", Cost{.bytes = kMiB, .addresses = kMiB, .bos = 1}, nullptr);
  cache(demand(kMiB));
  ASSERT_TRUE(allocator_.lend_extra(demand(kMiB), price_, Time{}));
  EXPECT_EQ(account_->used().bos, 1u);
  EXPECT_FALSE(allocator_.lend_extra(demand(kMiB), price_, Time{}));
}

TEST_F(AllocatorTest, WhenTheKernelHasNoMemoryTheChargeIsThereForTheNextAttempt) {
  device_.memory_limit = 4 * kMiB;
  EXPECT_EQ(create(demand(5 * kMiB)).error(), Errno{ENOMEM});
  EXPECT_EQ(device_.creations(), 1);
  EXPECT_EQ(pool_.amount(BoState::kCreating), Amount{});
  EXPECT_EQ(account_->used().bytes, 5 * kMiB);
  paid_.reset();
  EXPECT_EQ(account_->used(), Cost{});
}

TEST_F(AllocatorTest, OpensAnotherArenaWhenAddressesRunOut) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(create(demand(1024 * kMiB)));
  EXPECT_EQ(device_.arenas(), 2u);
}

TEST_F(AllocatorTest, UsesAnOldArenaAgainBeforeOpeningAThird) {
  std::vector<Bo*> bos;
  for (int i = 0; i < 6; ++i) bos.push_back(create(demand(1024 * kMiB))->bo);
  ASSERT_EQ(device_.arenas(), 2u);
  pool_.release(*bos[0], Time{});
  pool_.evict_all(kEvictPiece, Time{});
  ASSERT_TRUE(create(demand(1024 * kMiB)));
  EXPECT_EQ(device_.arenas(), 2u);
}

TEST_F(AllocatorTest, WhenNoArenaCanBeOpenedItSaysThatAddressesAreMissing) {
  device_.arena_limit = 1;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(create(demand(1024 * kMiB)));
  EXPECT_EQ(create(demand(1024 * kMiB)).error(), Errno{ENOSPC});
}

TEST_F(AllocatorTest, AnArenaThatWasOpenedInVainIsTheLastThatIsTried) {
  device_.create_failures.assign(100, Errno{ENOSPC});
  EXPECT_EQ(create(demand(kMiB)).error(), Errno{ENOSPC});
  EXPECT_EQ(device_.arenas(), 2u);
  EXPECT_EQ(device_.creations(), 2);
}

TEST_F(AllocatorTest, PassesOtherErrorsOn) {
  device_.create_failures = {Errno{EIO}};
  EXPECT_EQ(create(demand(kMiB)).error(), Errno{EIO});
}

TEST_F(AllocatorTest, ALargeBoHasTheHigherPrice) {
  ASSERT_TRUE(create(demand(4096)));
  const Price small = price_;
  ASSERT_TRUE(create(demand(kMiB)));
  EXPECT_GT(price_ - small, 2 * small);
}

class AllocatorWithWorkerTest : public AllocatorTest {
 protected:
  AllocatorWithWorkerTest() {
    worker_.on_created = [this](BoId id, const Result<DeviceBo>& result) {
      results_.push_back(with_worker_.created(*pool_with_worker_.find(id), result, paid_, Time{}));
    };
  }
  Result<Loan> create(const Demand& demand, bool by_worker = false) {
    Charge charge = Charge::take(demand.account, allocator_.cost_of(demand)).value();
    return with_worker_.create(demand, charge, by_worker, price_, Time{});
  }

  FakeWorker worker_{device_};
  BoPool pool_with_worker_{device_, &worker_, memory_, {}};
  BoardRoom room_with_worker_{pool_with_worker_, &worker_, memory_, {}};
  Allocator with_worker_{device_, &worker_, pool_with_worker_, room_with_worker_, {}};
  std::vector<Result<Loan>> results_;
};

TEST_F(AllocatorWithWorkerTest, LeavesLargeBosToTheWorkerAndMakesSmallOnesItself) {
  EXPECT_FALSE(create(demand(4096))->pending());
  const auto large = create(demand(kMiB));
  EXPECT_TRUE(large->pending());
  worker_.work_all();
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_FALSE(results_[0]->pending());
  EXPECT_EQ(results_[0]->bo, large->bo);
}

TEST_F(AllocatorWithWorkerTest, LeavesASmallBoToTheWorkerIfItIsTold) {
  const auto small = create(demand(4096), true);
  ASSERT_TRUE(small->pending());
  worker_.work_all();
  EXPECT_EQ(small->bo->state, BoState::kLeased);
}

TEST_F(AllocatorWithWorkerTest, TheWorkerTriesEveryArena) {
  device_.create_failures = {Errno{ENOSPC}};
  ASSERT_TRUE(create(demand(kMiB)));
  worker_.work_all();
  ASSERT_EQ(results_.size(), 2u);
  EXPECT_EQ(results_[1]->bo->state, BoState::kLeased);
  EXPECT_EQ(device_.arenas(), 2u);
}

TEST_F(AllocatorWithWorkerTest, WhatNobodyWantsAnyMoreGoesToTheCache) {
  Bo* bo = create(demand(kMiB))->bo;
  with_worker_.created_unwanted(*bo, device_.create(ArenaId{0}, BoKind::kPlain, kMiB), Time{});
  EXPECT_EQ(bo->state, BoState::kReady);
  EXPECT_EQ(account_->used(), Cost{});
  Bo* failed = create(demand(2 * kMiB))->bo;
  with_worker_.created_unwanted(*failed, Errno{ENOMEM}, Time{});
  EXPECT_EQ(pool_with_worker_.total().count, 1u);
}

TEST_F(AllocatorWithWorkerTest, WhatNobodyWantsAnyMoreIsNotMadeIfTheWorkerHasNotBegun) {
  Bo* bo = create(demand(kMiB))->bo;
  EXPECT_TRUE(with_worker_.cancel(*bo, Time{}));
  worker_.work_all();
  EXPECT_EQ(device_.creations(), 0);
  EXPECT_EQ(account_->used(), Cost{});
  EXPECT_EQ(pool_with_worker_.total().count, 0u);
}

TEST_F(AllocatorTest, RoundsHeapsAsTheKernelDoes) {
  Demand heap = demand(1);
  heap.kind = BoKind::kHeap;
  EXPECT_EQ(create(heap)->bo->device.size, 2 * kMiB);
}

TEST_F(AllocatorTest, AHeapCostsWhatTheKernelGivesItAtFirstAndAllOfItsAddresses) {
  Demand heap = demand(128 * kMiB);
  heap.kind = BoKind::kHeap;
  ASSERT_TRUE(create(heap));
  EXPECT_EQ(account_->used(), (Cost{.bytes = 2 * kMiB, .addresses = 128 * kMiB, .bos = 1}));
  EXPECT_EQ(pool_.memory(), 2 * kMiB);
  EXPECT_EQ(pool_.total(), (Amount{1, 128 * kMiB})) << "its size is its size";
}

}  // namespace
}  // namespace panbo
