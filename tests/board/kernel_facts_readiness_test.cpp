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

/// An epoll set with one fd in it.
class Epoll {
 public:
  Epoll(int fd, uint32_t events) {
    epoll_event event{.events = events, .data = {}};
    EXPECT_EQ(::epoll_ctl(set_.get(), EPOLL_CTL_ADD, fd, &event), 0) << Errno::last().message();
  }
  bool has_event(int patience_ms = 0) {
    epoll_event event;
    return ::epoll_wait(set_.get(), &event, 1, patience_ms) == 1;
  }

 private:
  UniqueFd set_{::epoll_create1(EPOLL_CLOEXEC)};
};

TEST_F(Readiness, OneShotEpollGivesOneEventWhenTheJobEnds) {
  start_job();
  Epoll epoll(dma_buf.get(), EPOLLOUT | EPOLLONESHOT);
  EXPECT_FALSE(epoll.has_event());
  EXPECT_TRUE(epoll.has_event(30'000));
  EXPECT_FALSE(epoll.has_event());
}

TEST_F(Readiness, EpollHasAnIdleDmaBufReadyAtOnce) {
  EXPECT_TRUE(Epoll(dma_buf.get(), EPOLLOUT | EPOLLONESHOT).has_event());
  EXPECT_TRUE(Epoll(dma_buf.get(), EPOLLOUT | EPOLLET).has_event());
}

TEST_F(Readiness, EdgeTriggeredEpollRepeatsItsEventForever) {
  // To look at an idle dma-buf wakes up whoever polls it, and epoll looks at it before it reports it.
  start_job();
  Epoll epoll(dma_buf.get(), EPOLLOUT | EPOLLET);
  EXPECT_FALSE(epoll.has_event());
  EXPECT_TRUE(epoll.has_event(30'000));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(epoll.has_event());
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
