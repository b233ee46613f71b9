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
  Result<Loan> allocate(const Demand& demand) { return allocator_.allocate(demand, Time{}); }
  void cache(const Demand& demand) { pool_.release(*allocate(demand)->bo, Time{}); }

  FakeDevice device_;
  FakeMemory memory_;
  std::shared_ptr<Account> account_ =
      std::make_shared<Account>("account", Cost{.bytes = 16384 * kMiB, .addresses = 16384 * kMiB, .bos = 100}, nullptr);
  BoPool pool_{device_, nullptr, memory_, {}};
  Allocator allocator_{device_, nullptr, memory_, pool_, {.total_max = 16384 * kMiB}};
};

TEST_F(AllocatorTest, TakesAReadyBoOfTheClassBeforeAskingTheKernel) {
  cache(demand(kMiB));
  const auto loan = allocate(demand(kMiB - 5000));
  ASSERT_TRUE(loan);
  EXPECT_FALSE(loan->fresh);
  EXPECT_EQ(loan->bo->device.size, kMiB);
  EXPECT_EQ(device_.creations(), 1);
}

TEST_F(AllocatorTest, NeverCrossesDomains) {
  cache(demand(kMiB, 1000));
  EXPECT_TRUE(allocate(demand(kMiB, 2000))->fresh);
}

TEST_F(AllocatorTest, NeverServesZeroedMemoryFromTheCache) {
  cache(demand(kMiB));
  Demand zeroed = demand(kMiB);
  zeroed.zeroed = true;
  EXPECT_TRUE(allocate(zeroed)->fresh);
}

TEST_F(AllocatorTest, DoesNotWaitForABusyBo) {
  const auto busy = allocate(demand(kMiB));
  device_.bo(busy->bo->device.handle).busy = true;
  pool_.release(*busy->bo, Time{});
  EXPECT_TRUE(allocate(demand(kMiB))->fresh);
}

TEST_F(AllocatorTest, WhenTheKernelHasNoMemoryEvictsEverythingOfEverybodyAndTriesOnceMore) {
  device_.memory_limit = 4 * kMiB;
  cache(demand(kMiB, 1000));
  cache(demand(2 * kMiB, 2000));
  const auto loan = allocate(demand(3 * kMiB, 3000));
  ASSERT_TRUE(loan);
  EXPECT_EQ(pool_.evicted(), (Amount{2, 3 * kMiB}));
}

TEST_F(AllocatorTest, FailsWhenEvictionWasNotEnough) {
  device_.memory_limit = 4 * kMiB;
  cache(demand(kMiB));
  const auto loan = allocate(demand(5 * kMiB));
  ASSERT_FALSE(loan);
  EXPECT_EQ(loan.error(), Errno{ENOMEM});
  EXPECT_EQ(device_.creations(), 3);
  EXPECT_EQ(pool_.amount(BoState::kCreating), Amount{});
}

TEST_F(AllocatorTest, DoesNotTryTwiceWhenThereWasNothingToEvict) {
  device_.memory_limit = kMiB;
  EXPECT_FALSE(allocate(demand(5 * kMiB)));
  EXPECT_EQ(device_.creations(), 1);
}

TEST_F(AllocatorTest, OpensAnotherArenaWhenAddressesRunOut) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(allocate(demand(1024 * kMiB)));
  EXPECT_EQ(device_.arenas(), 2u);
}

TEST_F(AllocatorTest, UsesAnOldArenaAgainBeforeOpeningAThird) {
  std::vector<Bo*> bos;
  for (int i = 0; i < 6; ++i) bos.push_back(allocate(demand(1024 * kMiB))->bo);
  ASSERT_EQ(device_.arenas(), 2u);
  pool_.release(*bos[0], Time{});
  pool_.evict_all(kEvictPiece, Time{});
  ASSERT_TRUE(allocate(demand(1024 * kMiB)));
  EXPECT_EQ(device_.arenas(), 2u);
}

TEST_F(AllocatorTest, WhenNoArenaCanBeOpenedEvictsForAddresses) {
  device_.arena_limit = 1;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(allocate(demand(1024 * kMiB, 1000)));
  cache(demand(900 * kMiB, 2000));
  EXPECT_TRUE(allocate(demand(950 * kMiB, 1000)));
}

TEST_F(AllocatorTest, ANonsensicalDeviceCannotMakeItOpenArenasForEver) {
  for (int round = 0; round < 3; ++round) {
    device_.create_failures.assign(100, Errno{ENOSPC});
    EXPECT_FALSE(allocate(demand(kMiB)));
  }
  EXPECT_LE(device_.arenas(), 16u);
}

TEST_F(AllocatorTest, PassesOtherErrorsOn) {
  device_.create_failures = {Errno{EIO}};
  EXPECT_EQ(allocate(demand(kMiB)).error(), Errno{EIO});
}

TEST_F(AllocatorTest, ARequestThatTheBoardCannotHoldIsRefusedBeforeTheKernelIsAsked) {
  memory_.bytes = 4 * kMiB;
  EXPECT_EQ(allocate(demand(5 * kMiB)).error(), Errno{ENOMEM});
  EXPECT_EQ(device_.creations(), 0);
}

TEST_F(AllocatorTest, SmallRequestsAreComparedWithTheMemoryTogether) {
  memory_.bytes = 0;
  for (int i = 0; i < 15; ++i) ASSERT_TRUE(allocate(demand(kMiB / 16)));
  EXPECT_EQ(allocate(demand(kMiB / 16)).error(), Errno{ENOMEM});
  EXPECT_EQ(allocate(demand(4096)).error(), Errno{ENOMEM}) << "while there is none, each of them";
  memory_.bytes = kMiB;
  EXPECT_TRUE(allocate(demand(4096)));
  memory_.bytes = 0;
  EXPECT_TRUE(allocate(demand(4096))) << "looked at a moment ago";
}

TEST_F(AllocatorTest, EvictsAsMuchAsIsMissingAndNoMore) {
  cache(demand(2 * kMiB));
  cache(demand(2 * kMiB));
  memory_.bytes = 4 * kMiB;
  EXPECT_TRUE(allocate(demand(5 * kMiB)));
  EXPECT_EQ(pool_.evicted(), (Amount{1, 2 * kMiB}));
}

TEST_F(AllocatorTest, EvictsNothingForARequestThatCannotBeServedAnyway) {
  cache(demand(2 * kMiB));
  memory_.bytes = 4 * kMiB;
  EXPECT_FALSE(allocate(demand(7 * kMiB)));
  EXPECT_EQ(pool_.evicted(), Amount{});
}

TEST_F(AllocatorTest, KeepsToTheTotalBudgetByEvictingFirst) {
  Allocator small(device_, nullptr, memory_, pool_, {.total_max = 4 * kMiB});
  pool_.release(*small.allocate(demand(3 * kMiB), Time{})->bo, Time{});
  EXPECT_TRUE(small.allocate(demand(2 * kMiB), Time{}));
  EXPECT_EQ(pool_.total().bytes, 2 * kMiB);
  EXPECT_EQ(small.allocate(demand(3 * kMiB), Time{}).error(), Errno{ENOMEM});
}

TEST_F(AllocatorTest, AQuotaIsNotMadeRoomForByEviction) {
  cache(demand(kMiB));
  account_ = std::make_shared<Account>("poor", Cost{.bytes = kMiB, .addresses = kBoardAddresses, .bos = 1}, nullptr);
  EXPECT_EQ(allocate(demand(2 * kMiB)).error(), Errno{EDQUOT});
  EXPECT_EQ(pool_.evicted(), Amount{});
  EXPECT_EQ(account_->used(), Cost{});
}

TEST_F(AllocatorTest, AReadyBoIsChargedLikeAFreshOne) {
  cache(demand(kMiB));
  EXPECT_EQ(account_->used(), Cost{});
  ASSERT_TRUE(allocate(demand(kMiB)));
  EXPECT_EQ(account_->used(), (Cost{.bytes = kMiB, .addresses = kMiB, .bos = 1}));
}

class AllocatorWithWorkerTest : public AllocatorTest {
 protected:
  AllocatorWithWorkerTest() {
    worker_.on_created = [this](BoId id, const Result<DeviceBo>& result) {
      results_.push_back(with_worker_.created(*pool_with_worker_.find(id), result, Time{}));
    };
  }

  FakeWorker worker_{device_};
  BoPool pool_with_worker_{device_, &worker_, memory_, {}};
  Allocator with_worker_{device_, &worker_, memory_, pool_with_worker_, {}};
  std::vector<Result<Loan>> results_;
};

TEST_F(AllocatorWithWorkerTest, LeavesLargeBosToTheWorkerAndMakesSmallOnesItself) {
  EXPECT_FALSE(with_worker_.allocate(demand(4096), Time{})->pending());
  const auto large = with_worker_.allocate(demand(kMiB), Time{});
  EXPECT_TRUE(large->pending());
  worker_.work_all();
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_FALSE(results_[0]->pending());
  EXPECT_EQ(results_[0]->bo, large->bo);
}

TEST_F(AllocatorWithWorkerTest, RetriesAfterTheWorkerHasClosedWhatWentBefore) {
  device_.memory_limit = 2 * kMiB;
  const auto first = with_worker_.allocate(demand(2 * kMiB), Time{});
  worker_.work_all();
  pool_with_worker_.release(*first->bo, Time{});
  pool_with_worker_.evict_all(kEvictPiece, Time{});
  // Nothing is left to evict, but the memory is on its way.
  const auto small = with_worker_.allocate(demand(4096), Time{});
  ASSERT_TRUE(small);
  EXPECT_TRUE(small->pending());
  worker_.work_all();
  EXPECT_EQ(small->bo->state, BoState::kLeased);
}

TEST_F(AllocatorWithWorkerTest, RetriesAfterTheWorkerHasClosedWhatWasEvicted) {
  device_.memory_limit = 4 * kMiB;
  const auto first = with_worker_.allocate(demand(3 * kMiB), Time{});
  worker_.work_all();
  pool_with_worker_.release(*first->bo, Time{});
  ASSERT_TRUE(with_worker_.allocate(demand(2 * kMiB), Time{})->pending());
  worker_.work_all();
  ASSERT_EQ(results_.size(), 3u) << "made, refused, and made after the eviction";
  ASSERT_TRUE(results_[2]);
  EXPECT_EQ(results_[2]->bo->state, BoState::kLeased);
  EXPECT_EQ(pool_with_worker_.evicted(), (Amount{1, 3 * kMiB}));
}

TEST_F(AllocatorWithWorkerTest, WhatNobodyWantsAnyMoreGoesToTheCache) {
  Bo* bo = with_worker_.allocate(demand(kMiB), Time{})->bo;
  with_worker_.created_unwanted(*bo, device_.create(ArenaId{0}, BoKind::kPlain, kMiB), Time{});
  EXPECT_EQ(bo->state, BoState::kReady);
  EXPECT_EQ(account_->used(), Cost{});
  Bo* failed = with_worker_.allocate(demand(2 * kMiB), Time{})->bo;
  with_worker_.created_unwanted(*failed, Errno{ENOMEM}, Time{});
  EXPECT_EQ(pool_with_worker_.total().count, 1u);
}

TEST_F(AllocatorTest, RoundsHeapsAsTheKernelDoes) {
  Demand heap = demand(1);
  heap.kind = BoKind::kHeap;
  EXPECT_EQ(allocate(heap)->bo->device.size, 2 * kMiB);
}

TEST_F(AllocatorTest, AHeapCostsWhatTheKernelGivesItAtFirstAndAllOfItsAddresses) {
  Demand heap = demand(128 * kMiB);
  heap.kind = BoKind::kHeap;
  ASSERT_TRUE(allocate(heap));
  EXPECT_EQ(account_->used(), (Cost{.bytes = 2 * kMiB, .addresses = 128 * kMiB, .bos = 1}));
  EXPECT_EQ(pool_.memory(), 2 * kMiB);
  EXPECT_EQ(pool_.total(), (Amount{1, 128 * kMiB})) << "its size is its size";
}

TEST_F(AllocatorTest, ManyHeapsFitIntoTheBudgetOfASmallBoard) {
  Allocator small(device_, nullptr, memory_, pool_, {.total_max = 64 * kMiB});
  memory_.bytes = 64 * kMiB;
  Demand heap = demand(128 * kMiB);
  heap.kind = BoKind::kHeap;
  for (int i = 0; i < 32; ++i) ASSERT_TRUE(small.allocate(heap, Time{})) << i;
  EXPECT_EQ(small.allocate(heap, Time{}).error(), Errno{ENOMEM});
}

TEST_F(AllocatorTest, AddressesAreAQuotaOfTheirOwn) {
  account_ = std::make_shared<Account>("account", Cost{.bytes = UINT64_MAX, .addresses = 256 * kMiB, .bos = UINT64_MAX},
                                       nullptr);
  Demand heap = demand(128 * kMiB);
  heap.kind = BoKind::kHeap;
  ASSERT_TRUE(allocate(heap));
  ASSERT_TRUE(allocate(heap));
  EXPECT_EQ(allocate(heap).error(), Errno{EDQUOT});
}

}  // namespace
}  // namespace panbo
