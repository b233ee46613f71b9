// What the design takes for granted about readiness. A test that fails here names what the kernel changed its mind on.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/epoll.h>

#include "daemon/device/idle_watch.h"
#include "tests/board/gpu_file.h"
#include "tests/support/fds.h"

namespace panbo::test {
namespace {

using namespace std::chrono_literals;

/// A BO of `ours` that a job of somebody else uses, who has closed its handle.
class Readiness : public testing::Test {
 protected:
  void start_job() {
    const uint32_t handle = theirs.import(dma_buf.get());
    theirs.submit(handle);
    theirs.close(handle);
  }
  /// Comes back when no job uses the BO.
  void let_the_job_end() { ASSERT_TRUE(ours.wait(bo, monotonic_ns(30s))); }

  GpuFile ours;
  GpuFile theirs;
  uint32_t bo = *ours.create(4096);
  UniqueFd dma_buf = ours.export_bo(bo);
};

TEST_F(Readiness, WaitBoOnAnIdleBoSucceedsWhateverTheDeadline) {
  EXPECT_TRUE(ours.wait(bo, 0));
  EXPECT_TRUE(ours.wait(bo, monotonic_ns(30s)));
}

TEST_F(Readiness, WaitBoWithADeadlineOfZeroJustLooks) {
  start_job();
  const auto waited = ours.wait(bo, 0);
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error(), Errno{EBUSY});
}

TEST_F(Readiness, WaitBoTakesADeadlineNotADuration) {
  start_job();
  // As a duration it would be enough for the job to end.
  const auto waited = ours.wait(bo, std::chrono::nanoseconds(1s).count());
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error(), Errno{EBUSY});
}

TEST_F(Readiness, WaitBoTimesOutAtItsDeadline) {
  start_job();
  const int64_t deadline = monotonic_ns(50ms);
  const auto waited = ours.wait(bo, deadline);
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error(), Errno{ETIMEDOUT});
  EXPECT_GE(monotonic_ns(), deadline);
}

TEST_F(Readiness, WaitBoComesBackWhenTheJobEnds) {
  start_job();
  EXPECT_TRUE(ours.wait(bo, monotonic_ns(30s)));
  EXPECT_EQ(*usage_of(dma_buf.get()), Usage::kIdle);
}

TEST_F(Readiness, WaitBoDoesNotKnowABadHandle) {
  const auto waited = ours.wait(bo + 1000, 0);
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error(), Errno{ENOENT});
}

TEST_F(Readiness, ADmaBufPollsWritableWhenTheLastJobEnds) {
  EXPECT_EQ(*usage_of(dma_buf.get()), Usage::kIdle);
  start_job();
  start_job();
  EXPECT_EQ(*usage_of(dma_buf.get()), Usage::kBusy);
  pollfd waiting{.fd = dma_buf.get(), .events = POLLOUT, .revents = 0};
  ASSERT_EQ(::poll(&waiting, 1, 30'000), 1);
  EXPECT_EQ(waiting.revents, POLLOUT);
  EXPECT_TRUE(ours.wait(bo, 0));
}

TEST_F(Readiness, EpollGivesOneEventWhenTheJobEnds) {
  start_job();
  const UniqueFd set(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{.events = EPOLLOUT | EPOLLET, .data = {}};
  ASSERT_EQ(::epoll_ctl(set.get(), EPOLL_CTL_ADD, dma_buf.get(), &event), 0);
  EXPECT_EQ(::epoll_wait(set.get(), &event, 1, 0), 0);
  EXPECT_EQ(::epoll_wait(set.get(), &event, 1, 30'000), 1);
  EXPECT_EQ(::epoll_wait(set.get(), &event, 1, 0), 0);
}

TEST_F(Readiness, EpollHasAnIdleDmaBufReadyAtOnce) {
  const UniqueFd set(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{.events = EPOLLOUT | EPOLLET, .data = {}};
  ASSERT_EQ(::epoll_ctl(set.get(), EPOLL_CTL_ADD, dma_buf.get(), &event), 0);
  EXPECT_EQ(::epoll_wait(set.get(), &event, 1, 0), 1);
}

TEST_F(Readiness, AJobIsSeenAfterItsSubmitterIsGone) {
  {
    GpuFile gone;
    gone.submit(gone.import(dma_buf.get()));
    ASSERT_EQ(*usage_of(dma_buf.get()), Usage::kBusy);
  }
  let_the_job_end();
  EXPECT_EQ(*usage_of(dma_buf.get()), Usage::kIdle);
}

TEST_F(Readiness, AJobThatNeverCompletesIsEndedAfterHalfASecond) {
  const int64_t almost = monotonic_ns(450ms);
  start_job();
  EXPECT_EQ(ours.wait(bo, almost).error(), Errno{ETIMEDOUT});
  let_the_job_end();
}

}  // namespace
}  // namespace panbo::test
