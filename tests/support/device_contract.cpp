// A test says what holds for every device, so it uses nothing but the Backend interface, the fds that it gives, and
// the rig. Ways to hold a BO that need no GPU (an fd, one in flight, a mapping) are the same for all and are here.

#include "tests/support/device_contract.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "proto/packet.h"
#include "tests/support/fds.h"

namespace panbo::test {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DeviceContract);

namespace {

using Ids = std::vector<BoId>;

constexpr uint64_t kMiB = uint64_t{1} << 20;

/// A CPU mapping that outlives the fd it was made of.
class Mapping {
 public:
  Mapping(const UniqueFd& fd, size_t size)
      : size_(size), bytes_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0)) {
    EXPECT_NE(bytes_, MAP_FAILED) << std::strerror(errno);
  }
  ~Mapping() { ::munmap(bytes_, size_); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  [[nodiscard]] unsigned char* begin() const { return static_cast<unsigned char*>(bytes_); }
  [[nodiscard]] unsigned char* end() const { return begin() + size_; }

 private:
  size_t size_;
  void* bytes_;
};

bool reads_as_zero(const Mapping& mapping) {
  return std::all_of(mapping.begin(), mapping.end(), [](unsigned char byte) { return byte == 0; });
}

uint64_t size_of(const UniqueFd& fd) {
  return static_cast<uint64_t>(::lseek(fd.get(), 0, SEEK_END));
}

}  // namespace

void DeviceContract::SetUp() {
  rig_ = GetParam()();
  if (!rig_) GTEST_SKIP() << "no such device here";
  fds_before_ = open_fds();
}

void DeviceContract::TearDown() {
  if (!rig_) return;
  while (!made_.empty()) destroy(made_.back());
  EXPECT_EQ(open_fds() - ignored_fds_, fds_before_);
}

DeviceContract::Bo DeviceContract::make(uint64_t size, BoKind kind) {
  const auto bo = device().create(ArenaId{0}, kind, size);
  EXPECT_TRUE(bo) << bo.error().message();
  made_.push_back(Bo{.id = BoId{next_id_++}, .device = bo.value()});
  return made_.back();
}

void DeviceContract::destroy(const Bo& bo) {
  const Bo gone = bo;
  std::erase_if(made_, [&](const Bo& known) { return known.id == gone.id; });
  device().destroy(gone.id, gone.device);
}

UniqueFd DeviceContract::fd_of(const Bo& bo) {
  auto exported = device().export_bo(bo.device);
  EXPECT_TRUE(exported) << exported.error().message();
  return std::move(exported->fd);
}

DeviceContract::Bo DeviceContract::make_busy() {
  const Bo bo = make();
  rig_->start_job(fd_of(bo).get());
  return bo;
}

Ids DeviceContract::wait_for_idle() {
  EXPECT_TRUE(becomes_readable(device().event_fd()));
  return take_idle();
}

Ids DeviceContract::take_idle() {
  Ids ids;
  device().take_idle(ids);
  return ids;
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

TEST_P(DeviceContract, ABoWithoutJobsIsIdleAndOnlyOurs) {
  const Bo bo = make();
  const auto usage = device().watch(bo.id, bo.device);
  ASSERT_TRUE(usage);
  EXPECT_EQ(*usage, Usage::kIdle);
  EXPECT_EQ(*device().holders(bo.id), Holders::kOnlyUs);
  EXPECT_FALSE(is_readable(device().event_fd()));
  EXPECT_EQ(take_idle(), Ids());
}

TEST_P(DeviceContract, ABoThatWasLentAndCameBackIsOnlyOurs) {
  const Bo bo = make();
  for (int i = 0; i < 3; ++i) {
    fd_of(bo).reset();
    rig_->import(fd_of(bo).get()).reset();
    ASSERT_TRUE(device().watch(bo.id, bo.device));
    EXPECT_EQ(*device().holders(bo.id), Holders::kOnlyUs);
    device().unwatch(bo.id);
  }
}

TEST_P(DeviceContract, AnFdOfSomebodyElseIsSeen) {
  const Bo bo = make();
  UniqueFd kept = fd_of(bo);
  ASSERT_TRUE(device().watch(bo.id, bo.device));
  EXPECT_EQ(*device().holders(bo.id), Holders::kOthersToo);
  kept.reset();
  EXPECT_EQ(*device().holders(bo.id), Holders::kOnlyUs);
}

TEST_P(DeviceContract, AnFdInFlightIsSeen) {
  const Bo bo = make();
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd sender(ends[0]);
  UniqueFd receiver(ends[1]);
  {
    const UniqueFd fd = fd_of(bo);
    const int borrowed[] = {fd.get()};
    ASSERT_TRUE(send_packet(sender.get(), std::as_bytes(std::span("x")), borrowed, 0));
  }
  ASSERT_TRUE(device().watch(bo.id, bo.device));
  EXPECT_EQ(*device().holders(bo.id), Holders::kOthersToo);
  receiver.reset();
  EXPECT_EQ(*device().holders(bo.id), Holders::kOnlyUs);
}

TEST_P(DeviceContract, AMappingOfTheFdIsSeenAfterTheFdIsClosed) {
  const Bo bo = make();
  auto mapping = std::make_unique<Mapping>(fd_of(bo), 4096);
  ASSERT_TRUE(device().watch(bo.id, bo.device));
  EXPECT_EQ(*device().holders(bo.id), Holders::kOthersToo);
  mapping.reset();
  EXPECT_EQ(*device().holders(bo.id), Holders::kOnlyUs);
}

TEST_P(DeviceContract, AnImportIsSeenAndForbidsEvictable) {
  const Bo bo = make();
  auto import = rig_->import(fd_of(bo).get());
  ASSERT_TRUE(device().watch(bo.id, bo.device));
  EXPECT_EQ(*device().holders(bo.id), Holders::kOthersToo);
  EXPECT_EQ(*device().make_evictable(bo.device), Holders::kOthersToo);
  import.reset();
  EXPECT_EQ(*device().holders(bo.id), Holders::kOnlyUs);
  EXPECT_EQ(*device().make_evictable(bo.device), Holders::kOnlyUs);
  EXPECT_EQ(*device().make_unevictable(bo.device), Pages::kRetained);
}

TEST_P(DeviceContract, EvictablePagesAreRetainedWhileMemoryIsNotShort) {
  const Bo bo = make();
  *Mapping(fd_of(bo), 4096).begin() = 42;
  EXPECT_EQ(*device().make_evictable(bo.device), Holders::kOnlyUs);
  EXPECT_EQ(*device().make_evictable(bo.device), Holders::kOnlyUs);
  EXPECT_EQ(*device().make_unevictable(bo.device), Pages::kRetained);
  EXPECT_EQ(*Mapping(fd_of(bo), 4096).begin(), 42);
}

TEST_P(DeviceContract, MakingUnevictableWhatNeverWasEvictableIsAllowed) {
  EXPECT_EQ(*device().make_unevictable(make().device), Pages::kRetained);
}

TEST_P(DeviceContract, APurgeTakesWhatIsEvictableAndNothingElse) {
  const Bo evictable = make();
  const Bo forgiven = make();
  const Bo kept = make();
  ASSERT_EQ(*device().make_evictable(evictable.device), Holders::kOnlyUs);
  ASSERT_EQ(*device().make_evictable(forgiven.device), Holders::kOnlyUs);
  ASSERT_EQ(*device().make_unevictable(forgiven.device), Pages::kRetained);
  if (!rig_->purge()) GTEST_SKIP() << "needs root, to drop the kernel's caches";
  EXPECT_EQ(*device().make_unevictable(evictable.device), Pages::kPurged);
  EXPECT_EQ(*device().make_unevictable(forgiven.device), Pages::kRetained);
  EXPECT_EQ(*device().make_unevictable(kept.device), Pages::kRetained);
  // For good.
  EXPECT_EQ(*device().make_unevictable(evictable.device), Pages::kPurged);
}

TEST_P(DeviceContract, ABusyBoIsReportedOnceWhenItsJobEnds) {
  const Bo bo = make_busy();
  EXPECT_EQ(*device().watch(bo.id, bo.device), Usage::kBusy);
  EXPECT_FALSE(is_readable(device().event_fd()));
  EXPECT_EQ(take_idle(), Ids());

  rig_->let_jobs_end();
  EXPECT_EQ(wait_for_idle(), Ids{bo.id});
  EXPECT_EQ(take_idle(), Ids());
  EXPECT_FALSE(is_readable(device().event_fd()));
  EXPECT_EQ(*device().holders(bo.id), Holders::kOnlyUs);
  EXPECT_EQ(*device().make_evictable(bo.device), Holders::kOnlyUs);
}

TEST_P(DeviceContract, WhatIsNotTakenStaysReadable) {
  const Bo bo = make_busy();
  ASSERT_EQ(*device().watch(bo.id, bo.device), Usage::kBusy);
  rig_->let_jobs_end();
  ASSERT_TRUE(becomes_readable(device().event_fd()));
  EXPECT_TRUE(is_readable(device().event_fd()));
  EXPECT_EQ(take_idle(), Ids{bo.id});
}

TEST_P(DeviceContract, HoldersAreSeenAfterTheJobToo) {
  const Bo bo = make();
  UniqueFd kept = fd_of(bo);
  rig_->start_job(kept.get());
  ASSERT_EQ(*device().watch(bo.id, bo.device), Usage::kBusy);
  rig_->let_jobs_end();
  ASSERT_EQ(wait_for_idle(), Ids{bo.id});
  EXPECT_EQ(*device().holders(bo.id), Holders::kOthersToo);
  kept.reset();
  EXPECT_EQ(*device().holders(bo.id), Holders::kOnlyUs);
}

TEST_P(DeviceContract, ABoIsIdleOnlyAfterTheLastOfItsJobs) {
  const Bo bo = make_busy();
  rig_->start_job(fd_of(bo).get());
  ASSERT_EQ(*device().watch(bo.id, bo.device), Usage::kBusy);
  rig_->let_jobs_end();
  Ids idle;
  // The end of the first job may make the fd readable, but gives nothing.
  while (idle.empty() && becomes_readable(device().event_fd())) device().take_idle(idle);
  EXPECT_EQ(idle, Ids{bo.id});
  EXPECT_EQ(*device().holders(bo.id), Holders::kOnlyUs);
  EXPECT_EQ(take_idle(), Ids());
}

TEST_P(DeviceContract, AJobThatCameAfterTheIdleEventCountsAsAHolder) {
  const Bo bo = make();
  UniqueFd kept = fd_of(bo);
  ASSERT_EQ(*device().watch(bo.id, bo.device), Usage::kIdle);
  rig_->start_job(kept.get());
  kept.reset();
  EXPECT_EQ(*device().holders(bo.id), Holders::kOthersToo);

  device().unwatch(bo.id);
  ASSERT_EQ(*device().watch(bo.id, bo.device), Usage::kBusy);
  rig_->let_jobs_end();
  EXPECT_EQ(wait_for_idle(), Ids{bo.id});
  EXPECT_EQ(*device().holders(bo.id), Holders::kOnlyUs);
}

TEST_P(DeviceContract, AnUnwatchedBoIsNotReported) {
  const Bo unwatched = make_busy();
  const Bo destroyed = make_busy();
  // Its job comes last, so that the others' are over when it is reported.
  const Bo last = make_busy();
  for (const Bo& bo : {unwatched, destroyed, last}) ASSERT_EQ(*device().watch(bo.id, bo.device), Usage::kBusy);
  device().unwatch(unwatched.id);
  destroy(destroyed);
  rig_->let_jobs_end();
  EXPECT_EQ(wait_for_idle(), Ids{last.id});
  EXPECT_EQ(take_idle(), Ids());
}

TEST_P(DeviceContract, ABoThatBecameIdleIsNotReportedAfterItsUnwatch) {
  const Bo bo = make_busy();
  ASSERT_EQ(*device().watch(bo.id, bo.device), Usage::kBusy);
  rig_->let_jobs_end();
  ASSERT_TRUE(becomes_readable(device().event_fd()));
  device().unwatch(bo.id);
  device().unwatch(bo.id);
  EXPECT_EQ(take_idle(), Ids());
  EXPECT_FALSE(is_readable(device().event_fd()));
}

TEST_P(DeviceContract, ABoCanBeWatchedAgain) {
  const Bo bo = make_busy();
  ASSERT_EQ(*device().watch(bo.id, bo.device), Usage::kBusy);
  device().unwatch(bo.id);
  ASSERT_EQ(*device().watch(bo.id, bo.device), Usage::kBusy);
  rig_->let_jobs_end();
  EXPECT_EQ(wait_for_idle(), Ids{bo.id});
  device().unwatch(bo.id);
  EXPECT_EQ(*device().watch(bo.id, bo.device), Usage::kIdle);
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

}  // namespace panbo::test
