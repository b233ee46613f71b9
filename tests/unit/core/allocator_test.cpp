#include "daemon/core/allocator.h"

#include <gtest/gtest.h>

#include "tests/support/fake_device.h"

namespace panbo {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

class AllocatorTest : public testing::Test {
 protected:
  static Demand demand(uint64_t size, uint32_t user = 1000) {
    return {.domain = DomainId{user}, .client = ClientId{user}, .user = UserId{user}, .size = size};
  }
  Result<Loan> allocate(const Demand& demand) { return allocator_.allocate(demand, Time{}); }
  void cache(const Demand& demand) { pool_.release(*allocate(demand)->bo, Time{}); }

  FakeDevice device_;
  BoPool pool_{device_, {}};
  Allocator allocator_{device_, pool_};
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
  pool_.evict_all(Time{});
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

TEST_F(AllocatorTest, RoundsHeapsAsTheKernelDoes) {
  Demand heap = demand(1);
  heap.kind = BoKind::kHeap;
  EXPECT_EQ(allocate(heap)->bo->device.size, 2 * kMiB);
}

}  // namespace
}  // namespace panbo
