// What only the simulated device does, on demand; how it behaves otherwise is in the device contract.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>

#include "daemon/device/bo_size.h"
#include "daemon/device/sim_control.h"
#include "tests/support/device_contract.h"
#include "tests/support/fds.h"

namespace panbo::test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using Ids = std::vector<BoId>;

class SimRig final : public DeviceRig {
 public:
  Backend& backend() override { return *sim_; }

  // There is nothing to import into: another file is all that a process can keep.
  std::shared_ptr<void> import(int bo_fd) override {
    return std::make_shared<UniqueFd>(::fcntl(bo_fd, F_DUPFD_CLOEXEC, 0));
  }

  void start_job(int bo_fd) override {
    struct stat status;
    ASSERT_EQ(::fstat(bo_fd, &status), 0);
    ASSERT_TRUE(sim_->start_job(status.st_ino, std::nullopt));
    jobs_.push_back(status.st_ino);
  }

  void let_jobs_end() override {
    for (const uint64_t inode : jobs_) static_cast<void>(sim_->end_job(inode));
    jobs_.clear();
  }

  bool purge() override { return sim_->purge().ok(); }

 private:
  std::unique_ptr<SimBackend> sim_ = *open_sim();
  std::vector<uint64_t> jobs_;
};

std::unique_ptr<DeviceRig> make_sim_rig() {
  return std::make_unique<SimRig>();
}

INSTANTIATE_TEST_SUITE_P(Sim, DeviceContract, testing::Values(&make_sim_rig));

class SimTest : public testing::Test {
 protected:
  DeviceBo make(uint64_t size = 4096, BoKind kind = BoKind::kPlain) {
    const auto bo = sim_->create(ArenaId{0}, kind, size);
    EXPECT_TRUE(bo) << bo.error().message();
    return *bo;
  }
  uint64_t inode_of(const DeviceBo& bo) { return sim_->export_bo(bo)->inode; }
  Errno create_error(uint64_t size, BoKind kind = BoKind::kPlain) {
    const auto bo = sim_->create(ArenaId{0}, kind, size);
    return bo ? Errno{0} : bo.error();
  }
  Ids take() {
    Ids ids;
    sim_->take_idle(ids);
    return ids;
  }

  std::unique_ptr<SimBackend> sim_ = *open_sim();
};

constexpr BoId kId{1};
constexpr Errno kNone{0};

/// Bytes of memory that the system has given for a BO.
uint64_t resident(SimBackend& sim, const DeviceBo& bo) {
  struct stat status {};
  EXPECT_EQ(::fstat(sim.export_bo(bo)->fd.get(), &status), 0);
  return static_cast<uint64_t>(status.st_blocks) * 512;
}

TEST_F(SimTest, MemoryIsTakenWhenItIsTouchedOrIfSoAskedWhenTheBoIsMade) {
  constexpr uint64_t kOdd = (uint64_t{1} << 20) + 4096;
  EXPECT_EQ(resident(*sim_, make(kOdd)), 0u);
  const auto clearing = *open_sim(SimClearing::kWhenMade);
  EXPECT_EQ(resident(*clearing, *clearing->create(ArenaId{0}, BoKind::kPlain, kOdd)), kOdd);
  EXPECT_EQ(resident(*clearing, *clearing->create(ArenaId{0}, BoKind::kHeap, kOdd)), 0u) << "the GPU faults it in";
}

TEST_F(SimTest, AJobWithADurationEndsByItself) {
  const DeviceBo bo = make();
  ASSERT_TRUE(sim_->start_job(inode_of(bo), milliseconds(50)));
  ASSERT_EQ(*sim_->watch(kId, bo), Usage::kBusy);
  ASSERT_TRUE(becomes_readable(sim_->event_fd()));
  EXPECT_EQ(take(), Ids{kId});
  EXPECT_FALSE(is_readable(sim_->event_fd()));
  EXPECT_EQ(*sim_->holders(kId), Holders::kOnlyUs);
}

TEST_F(SimTest, JobsEndInTheOrderOfTheirDurations) {
  const DeviceBo slow = make();
  const DeviceBo fast = make();
  ASSERT_TRUE(sim_->start_job(inode_of(slow), hours(1)));
  ASSERT_TRUE(sim_->start_job(inode_of(fast), milliseconds(50)));
  ASSERT_EQ(*sim_->watch(BoId{1}, slow), Usage::kBusy);
  ASSERT_EQ(*sim_->watch(BoId{2}, fast), Usage::kBusy);
  ASSERT_TRUE(becomes_readable(sim_->event_fd()));
  EXPECT_EQ(take(), Ids{BoId{2}});
}

TEST_F(SimTest, TheLongestJobCounts) {
  const DeviceBo bo = make();
  const uint64_t inode = inode_of(bo);
  ASSERT_TRUE(sim_->start_job(inode, std::nullopt));
  ASSERT_TRUE(sim_->start_job(inode, milliseconds(0)));
  ASSERT_EQ(*sim_->watch(kId, bo), Usage::kBusy);
  EXPECT_EQ(take(), Ids());
  ASSERT_TRUE(sim_->end_job(inode));
  EXPECT_EQ(take(), Ids{kId});
}

TEST_F(SimTest, AJobWithADurationCanBeEndedBeforeIt) {
  const DeviceBo bo = make();
  ASSERT_TRUE(sim_->start_job(inode_of(bo), hours(1)));
  ASSERT_EQ(*sim_->watch(kId, bo), Usage::kBusy);
  ASSERT_TRUE(sim_->end_job(inode_of(bo)));
  EXPECT_EQ(take(), Ids{kId});
}

TEST_F(SimTest, TheLongestDurationThereIsDoesNotOverflow) {
  const DeviceBo bo = make();
  ASSERT_TRUE(sim_->start_job(inode_of(bo), Duration::max()));
  EXPECT_EQ(*sim_->watch(kId, bo), Usage::kBusy);
}

TEST_F(SimTest, AJobIsOverAsSoonAsItsTimeIs) {
  const DeviceBo bo = make();
  ASSERT_TRUE(sim_->start_job(inode_of(bo), milliseconds(0)));
  EXPECT_EQ(*sim_->watch(kId, bo), Usage::kIdle);
  EXPECT_EQ(*sim_->holders(kId), Holders::kOnlyUs);
}

TEST_F(SimTest, ANewJobBetweenTheEndOfTheOldOneAndTheLookIsWaitedFor) {
  const DeviceBo bo = make();
  const uint64_t inode = inode_of(bo);
  ASSERT_TRUE(sim_->start_job(inode, std::nullopt));
  ASSERT_EQ(*sim_->watch(kId, bo), Usage::kBusy);
  ASSERT_TRUE(sim_->end_job(inode));
  ASSERT_TRUE(sim_->start_job(inode, std::nullopt));
  EXPECT_EQ(take(), Ids());
  ASSERT_TRUE(sim_->end_job(inode));
  EXPECT_EQ(take(), Ids{kId});
}

TEST_F(SimTest, ABoWhoseJobEndedIsIdle) {
  const DeviceBo bo = make();
  ASSERT_TRUE(sim_->end_job(inode_of(bo)));
  ASSERT_TRUE(sim_->start_job(inode_of(bo), std::nullopt));
  ASSERT_TRUE(sim_->end_job(inode_of(bo)));
  EXPECT_EQ(*sim_->watch(kId, bo), Usage::kIdle);
}

TEST_F(SimTest, JobsOfUnknownBosAreRefused) {
  const DeviceBo bo = make();
  const uint64_t inode = inode_of(bo);
  EXPECT_EQ(sim_->start_job(inode, Duration(-1)).error(), Errno{EINVAL});
  sim_->destroy(kId, bo);
  EXPECT_EQ(sim_->start_job(inode, std::nullopt).error(), Errno{ENOENT});
  EXPECT_EQ(sim_->end_job(inode).error(), Errno{ENOENT});
}

TEST_F(SimTest, JobsCostFdsOnlyWhileTheyRun) {
  const int none = open_fds();
  const DeviceBo bo = make();
  const uint64_t inode = inode_of(bo);
  const int before = open_fds();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(sim_->start_job(inode, std::nullopt));
    ASSERT_TRUE(sim_->start_job(inode, hours(1)));
  }
  EXPECT_EQ(open_fds(), before + 1);
  ASSERT_TRUE(sim_->end_job(inode));
  EXPECT_EQ(open_fds(), before);
  ASSERT_TRUE(sim_->start_job(inode, std::nullopt));
  sim_->destroy(kId, bo);
  EXPECT_EQ(open_fds(), none);
}

TEST_F(SimTest, MemoryRunsOutAtTheLimitAndComesBack) {
  ASSERT_TRUE(sim_->set_memory_limit(8192));
  const DeviceBo first = make();
  make();
  EXPECT_EQ(create_error(1), Errno{ENOMEM});
  sim_->destroy(kId, first);
  EXPECT_EQ(create_error(4097), Errno{ENOMEM});
  EXPECT_EQ(create_error(1), kNone);
}

TEST_F(SimTest, ALimitBelowWhatIsInUseFailsWhatComesNext) {
  make(65536);
  ASSERT_TRUE(sim_->set_memory_limit(4096));
  EXPECT_EQ(create_error(1), Errno{ENOMEM});
  ASSERT_TRUE(sim_->set_memory_limit(0));
  EXPECT_EQ(create_error(65536), kNone);
}

TEST_F(SimTest, HeapBosHaveNoPagesYet) {
  ASSERT_TRUE(sim_->set_memory_limit(4096));
  EXPECT_EQ(create_error(kHeapGranule, BoKind::kHeap), kNone);
  EXPECT_EQ(create_error(4096), kNone);
}

TEST_F(SimTest, AddressSpaceRunsOutBeforeMemory) {
  ASSERT_TRUE(sim_->set_memory_limit(4096));
  make(kArenaBytes, BoKind::kHeap);
  EXPECT_EQ(create_error(8192), Errno{ENOSPC});
}

TEST_F(SimTest, AnExecutableBoThatHasNoAlignedPlaceIsRefused) {
  const uint64_t largest = sim_->limits().max_executable_size;
  EXPECT_EQ(create_error(largest + 4096, BoKind::kExecutable), Errno{ENOSPC});
  EXPECT_EQ(create_error(largest, BoKind::kExecutable), kNone);
}

TEST_F(SimTest, PurgedPagesAreFreeAgainAndNotChargedTwice) {
  ASSERT_TRUE(sim_->set_memory_limit(4096));
  const DeviceBo bo = make();
  ASSERT_EQ(*sim_->make_evictable(bo), Holders::kOnlyUs);
  EXPECT_EQ(create_error(1), Errno{ENOMEM});
  ASSERT_TRUE(sim_->purge());
  ASSERT_TRUE(sim_->purge());
  const DeviceBo other = make();
  EXPECT_EQ(*sim_->make_unevictable(bo), Pages::kPurged);
  sim_->destroy(BoId{1}, bo);
  sim_->destroy(BoId{2}, other);
  EXPECT_EQ(create_error(4096), kNone);
  EXPECT_EQ(create_error(1), Errno{ENOMEM});
}

TEST_F(SimTest, RunningOutOfFdsIsRunningOutOfMemory) {
  EXPECT_EQ(create_error(1), kNone);
  {
    const NoMoreFds none;
    EXPECT_EQ(create_error(1), Errno{ENOMEM});
  }
  EXPECT_EQ(create_error(1), kNone);
}

TEST_F(SimTest, OpensAsManyArenasAsPanfrost) {
  for (int i = 1; i < kMaxArenas; ++i) ASSERT_EQ(sim_->open_arena()->value, i);
  const auto arena = sim_->open_arena();
  ASSERT_FALSE(arena);
  EXPECT_EQ(arena.error(), Errno{EMFILE});
}

TEST_F(SimTest, EachCallFailsAsOftenAsItWasToldTo) {
  const DeviceBo bo = make();
  const auto fails = [&](const char* name, auto call) {
    ASSERT_TRUE(sim_->fail_next(name, Errno{EIO}, 2));
    for (int i = 0; i < 2; ++i) {
      const auto result = call();
      ASSERT_FALSE(result) << name;
      EXPECT_EQ(result.error(), Errno{EIO}) << name;
    }
    EXPECT_TRUE(call()) << name;
  };
  fails("create", [&] { return sim_->create(ArenaId{0}, BoKind::kPlain, 1); });
  fails("export", [&] { return sim_->export_bo(bo); });
  fails("watch", [&] { return sim_->watch(kId, bo); });
  fails("evictable", [&] { return sim_->make_evictable(bo); });
  fails("unevictable", [&] { return sim_->make_unevictable(bo); });
}

TEST_F(SimTest, FaultsCanBeTakenBackAndReplaced) {
  ASSERT_TRUE(sim_->fail_next("create", Errno{EIO}, 5));
  ASSERT_TRUE(sim_->fail_next("create", Errno{ENOMEM}, 1));
  EXPECT_EQ(create_error(1), Errno{ENOMEM});
  EXPECT_EQ(create_error(1), kNone);
  ASSERT_TRUE(sim_->fail_next("create", Errno{EIO}, 5));
  ASSERT_TRUE(sim_->fail_next("create", Errno{EIO}, 0));
  EXPECT_EQ(create_error(1), kNone);
}

TEST_F(SimTest, TheKernelsRefusalToMakeEvictableMeansThatOthersHoldTheBo) {
  const DeviceBo bo = make();
  ASSERT_TRUE(sim_->fail_next("evictable", Errno{EINVAL}, 1));
  EXPECT_EQ(*sim_->make_evictable(bo), Holders::kOthersToo);
  EXPECT_EQ(*sim_->make_evictable(bo), Holders::kOnlyUs);
}

TEST_F(SimTest, FaultsThatMakeNoSenseAreRefused) {
  EXPECT_EQ(sim_->fail_next("destroy", Errno{EIO}, 1).error(), Errno{EINVAL});
  EXPECT_EQ(sim_->fail_next("", Errno{EIO}, 1).error(), Errno{EINVAL});
  EXPECT_EQ(sim_->fail_next("create", Errno{0}, 1).error(), Errno{EINVAL});
  EXPECT_EQ(sim_->fail_next("create", Errno{-EIO}, 1).error(), Errno{EINVAL});
  EXPECT_EQ(sim_->fail_next("create", Errno{4096}, 1).error(), Errno{EINVAL});
}

TEST_F(SimTest, ClosesEverythingItHas) {
  const int before = open_fds();
  {
    const auto sim = *open_sim();
    const auto idle = *sim->create(ArenaId{0}, BoKind::kPlain, 1);
    const auto busy = *sim->create(ArenaId{0}, BoKind::kPlain, 1);
    ASSERT_TRUE(sim->start_job(sim->export_bo(busy)->inode, std::nullopt));
    ASSERT_TRUE(sim->watch(BoId{1}, idle));
    ASSERT_TRUE(sim->watch(BoId{2}, busy));
  }
  EXPECT_EQ(open_fds(), before);
}

}  // namespace
}  // namespace panbo::test
