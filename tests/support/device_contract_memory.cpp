// Sizes, address space, and what is in the memory; and what happens when fds run out or threads meet.

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "tests/support/device_contract.h"
#include "tests/support/fds.h"

namespace panbo::test {
namespace {

using Ids = std::vector<BoId>;

constexpr uint64_t kMiB = uint64_t{1} << 20;

bool reads_as_zero(const Mapping& mapping) {
  return std::all_of(mapping.begin(), mapping.end(), [](unsigned char byte) { return byte == 0; });
}

uint64_t size_of(const UniqueFd& fd) {
  return static_cast<uint64_t>(::lseek(fd.get(), 0, SEEK_END));
}

TEST_P(DeviceContract, SaysWhatItIs) {
  EXPECT_FALSE(device().info().backend.empty());
  EXPECT_FALSE(device().info().driver.empty());
  EXPECT_EQ(device().limits().page_size, static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)));
  EXPECT_EQ(device().limits().max_bo_size, 4064 * kMiB);
}

TEST_P(DeviceContract, RoundsPlainAndExecutableSizesUpToPages) {
  const uint64_t page = device().limits().page_size;
  for (const BoKind kind : {BoKind::kPlain, BoKind::kExecutable}) {
    for (const auto& [asked, given] : {std::pair{uint64_t{1}, page}, {page, page}, {page + 1, 2 * page}}) {
      const Bo bo = make(asked, kind);
      EXPECT_EQ(bo.device.size, given);
      EXPECT_EQ(size_of(fd_of(bo)), given);
    }
  }
}

TEST_P(DeviceContract, RoundsHeapSizesUpToTwoMebibytes) {
  for (const auto& [asked, given] :
       {std::pair{uint64_t{1}, 2 * kMiB}, {2 * kMiB, 2 * kMiB}, {2 * kMiB + 1, 4 * kMiB}}) {
    const Bo bo = make(asked, BoKind::kHeap);
    EXPECT_EQ(bo.device.size, given);
    EXPECT_EQ(size_of(fd_of(bo)), given);
  }
}

TEST_P(DeviceContract, RefusesSizesThatNoBoCanHave) {
  const uint64_t max = device().limits().max_bo_size;
  // One whose lower 32 bits would be a size to like.
  for (const uint64_t size : {uint64_t{0}, max + 1, (uint64_t{1} << 32) + 4096, UINT64_MAX}) {
    const auto bo = device().create(ArenaId{0}, BoKind::kPlain, size);
    ASSERT_FALSE(bo) << size;
    EXPECT_EQ(bo.error(), Errno{EINVAL}) << size;
  }
}

TEST_P(DeviceContract, ABoOfTheLargestSizeFillsAnArena) {
  // A heap BO, since that has no pages yet.
  const Bo bo = make(device().limits().max_bo_size, BoKind::kHeap);
  EXPECT_EQ(bo.device.size, device().limits().max_bo_size);
  const auto another = device().create(ArenaId{0}, BoKind::kPlain, 1);
  ASSERT_FALSE(another);
  EXPECT_EQ(another.error(), Errno{ENOSPC});
}

TEST_P(DeviceContract, EachArenaHasItsOwnAddressSpaceAndGetsItBack) {
  std::vector<Bo> bos;
  for (int i = 0; i < 63; ++i) bos.push_back(make(64 * kMiB, BoKind::kHeap));
  const auto full = device().create(ArenaId{0}, BoKind::kHeap, 64 * kMiB);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error(), Errno{ENOSPC});

  const int fds = open_fds();
  const auto arena = device().open_arena();
  ASSERT_TRUE(arena);
  EXPECT_NE(*arena, ArenaId{0});
  const auto elsewhere = device().create(*arena, BoKind::kHeap, 64 * kMiB);
  ASSERT_TRUE(elsewhere) << elsewhere.error().message();
  EXPECT_EQ(elsewhere->arena, *arena);
  device().destroy(BoId{999}, *elsewhere);

  destroy(bos.front());
  make(64 * kMiB, BoKind::kHeap);
  // An arena stays open; it is not a leak.
  ignored_fds_ = open_fds() - fds;
}

TEST_P(DeviceContract, FreshBosReadAsZero) {
  const Bo used = make(kMiB);
  {
    const Mapping mapping(fd_of(used), kMiB);
    std::memset(mapping.begin(), 0xa5, kMiB);
  }
  destroy(used);
  EXPECT_TRUE(reads_as_zero(Mapping(fd_of(make(kMiB)), kMiB)));
}

TEST_P(DeviceContract, EveryExportIsTheSameMemoryUnderTheSameInode) {
  const Bo bo = make();
  const auto first = device().export_bo(bo.device);
  const auto second = device().export_bo(bo.device);
  ASSERT_TRUE(first && second);
  struct stat status;
  ASSERT_EQ(::fstat(first->fd.get(), &status), 0);
  EXPECT_EQ(first->inode, status.st_ino);
  EXPECT_EQ(second->inode, first->inode);
  EXPECT_NE(::fcntl(first->fd.get(), F_GETFD) & FD_CLOEXEC, 0);

  *Mapping(first->fd, 4096).begin() = 42;
  EXPECT_EQ(*Mapping(second->fd, 4096).begin(), 42);
}

TEST_P(DeviceContract, DifferentBosHaveDifferentInodes) {
  const auto first = device().export_bo(make().device);
  const auto second = device().export_bo(make().device);
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->inode, second->inode);
}

TEST_P(DeviceContract, WhoHoldsABoKeepsItsMemoryWhenItIsDestroyed) {
  const Bo bo = make();
  const Mapping kept(fd_of(bo), 4096);
  *kept.begin() = 42;
  destroy(bo);
  make();
  EXPECT_EQ(*kept.begin(), 42);
}

TEST_P(DeviceContract, WithoutFdsExportAndWatchFailAndLeaveNothing) {
  const Bo bo = make_busy();
  ASSERT_EQ(*device().watch(bo.id, bo.device), Usage::kBusy);
  device().unwatch(bo.id);
  {
    const NoMoreFds none;
    const auto exported = device().export_bo(bo.device);
    ASSERT_FALSE(exported);
    EXPECT_EQ(exported.error(), Errno{EMFILE});
    const auto usage = device().watch(bo.id, bo.device);
    ASSERT_FALSE(usage);
    EXPECT_EQ(usage.error(), Errno{EMFILE});
  }
  EXPECT_EQ(*device().watch(bo.id, bo.device), Usage::kBusy);
}

TEST_P(DeviceContract, OtherThreadsMayCreateAndDestroyMeanwhile) {
  constexpr int kRounds = 100;
  const auto churn = [this](uint64_t base) {
    for (uint64_t i = 0; i < kRounds; ++i) {
      const auto bo = device().create(ArenaId{0}, BoKind::kPlain, 4096);
      ASSERT_TRUE(bo);
      device().destroy(BoId{base + i}, *bo);
    }
  };
  std::thread first(churn, 10'000);
  std::thread second(churn, 20'000);
  const Bo bo = make();
  for (int i = 0; i < kRounds; ++i) {
    EXPECT_TRUE(device().watch(bo.id, bo.device));
    EXPECT_EQ(*device().holders(bo.id), Holders::kOnlyUs);
    EXPECT_EQ(take_idle(), Ids());
    device().unwatch(bo.id);
  }
  first.join();
  second.join();
}

}  // namespace
}  // namespace panbo::test
