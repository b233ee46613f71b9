#include "daemon/device/idle_watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/support/fds.h"

namespace panbo {
namespace {

using test::is_readable;
using test::open_fds;
using Ids = std::vector<BoId>;

/// Stands for a BO: an eventfd polls writable as long as its counter is not full.
class FakeBo {
 public:
  void become_busy() { ASSERT_EQ(::eventfd_write(event_.get(), UINT64_MAX - 1), 0); }
  void become_idle() {
    eventfd_t full;
    ASSERT_EQ(::eventfd_read(event_.get(), &full), 0);
  }
  [[nodiscard]] UniqueFd fd() const { return UniqueFd(::fcntl(event_.get(), F_DUPFD_CLOEXEC, 0)); }

 private:
  UniqueFd event_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
};

class IdleWatchTest : public testing::Test {
 protected:
  Ids take() {
    Ids ids;
    watch_->take_idle(ids);
    return ids;
  }

  std::unique_ptr<IdleWatch> watch_ = *IdleWatch::open();
  FakeBo bo_;
};

constexpr BoId kId{7};

TEST_F(IdleWatchTest, AnIdleBoIsKnownAtOnceAndNeverReported) {
  EXPECT_EQ(*watch_->watch(kId, bo_.fd()), Usage::kIdle);
  bo_.become_busy();
  bo_.become_idle();
  EXPECT_FALSE(is_readable(watch_->event_fd()));
  EXPECT_EQ(take(), Ids());
}

TEST_F(IdleWatchTest, ABusyBoIsReportedOnceWhenItBecomesIdle) {
  bo_.become_busy();
  EXPECT_EQ(*watch_->watch(kId, bo_.fd()), Usage::kBusy);
  EXPECT_FALSE(is_readable(watch_->event_fd()));
  EXPECT_EQ(take(), Ids());
  bo_.become_idle();
  EXPECT_TRUE(is_readable(watch_->event_fd()));
  EXPECT_EQ(take(), Ids{kId});
  EXPECT_EQ(take(), Ids());
  EXPECT_FALSE(is_readable(watch_->event_fd()));
}

TEST_F(IdleWatchTest, LaterJobsOfAReportedBoAreNotReported) {
  bo_.become_busy();
  ASSERT_EQ(*watch_->watch(kId, bo_.fd()), Usage::kBusy);
  bo_.become_idle();
  ASSERT_EQ(take(), Ids{kId});
  bo_.become_busy();
  bo_.become_idle();
  EXPECT_EQ(take(), Ids());
}

TEST_F(IdleWatchTest, ABoThatIsBusyAgainWhenItIsLookedAtIsWaitedFor) {
  bo_.become_busy();
  ASSERT_EQ(*watch_->watch(kId, bo_.fd()), Usage::kBusy);
  bo_.become_idle();
  bo_.become_busy();
  EXPECT_EQ(take(), Ids());
  bo_.become_idle();
  EXPECT_EQ(take(), Ids{kId});
}

TEST_F(IdleWatchTest, AnEventThatHappenedIsNotReportedAfterUnwatch) {
  bo_.become_busy();
  ASSERT_EQ(*watch_->watch(kId, bo_.fd()), Usage::kBusy);
  bo_.become_idle();
  ASSERT_TRUE(is_readable(watch_->event_fd()));
  watch_->unwatch(kId);
  EXPECT_FALSE(is_readable(watch_->event_fd()));
  EXPECT_EQ(take(), Ids());
}

TEST_F(IdleWatchTest, AReusedFdNumberDoesNotReportTheFormerBo) {
  bo_.become_busy();
  UniqueFd first = bo_.fd();
  const int number = first.get();
  ASSERT_EQ(*watch_->watch(kId, std::move(first)), Usage::kBusy);
  watch_->unwatch(kId);

  FakeBo other;
  other.become_busy();
  UniqueFd second = other.fd();
  if (second.get() != number) {
    ASSERT_EQ(::dup3(second.get(), number, O_CLOEXEC), number);
    second.reset(number);
  }
  ASSERT_EQ(*watch_->watch(BoId{8}, std::move(second)), Usage::kBusy);
  // The former BO's open file lives on in bo_.
  bo_.become_idle();
  EXPECT_EQ(take(), Ids());
  other.become_idle();
  EXPECT_EQ(take(), Ids{BoId{8}});
}

TEST_F(IdleWatchTest, TheSameIdCanBeWatchedAgain) {
  bo_.become_busy();
  ASSERT_EQ(*watch_->watch(kId, bo_.fd()), Usage::kBusy);
  watch_->unwatch(kId);
  ASSERT_EQ(*watch_->watch(kId, bo_.fd()), Usage::kBusy);
  bo_.become_idle();
  EXPECT_EQ(take(), Ids{kId});
}

TEST_F(IdleWatchTest, KeepsTheFdUntilUnwatch) {
  const int before = open_fds();
  bo_.become_busy();
  ASSERT_TRUE(watch_->watch(kId, bo_.fd()));
  EXPECT_EQ(open_fds(), before + 1);
  EXPECT_EQ(*usage_of(watch_->fd_of(kId)), Usage::kBusy);
  watch_->unwatch(kId);
  EXPECT_EQ(open_fds(), before);
  EXPECT_EQ(watch_->fd_of(kId), -1);
  watch_->unwatch(kId);
}

TEST_F(IdleWatchTest, ABadFdIsAnErrorAndNotWatched) {
  const auto usage = watch_->watch(kId, UniqueFd(1'000'000));
  ASSERT_FALSE(usage);
  EXPECT_EQ(usage.error(), Errno{EBADF});
  EXPECT_EQ(watch_->fd_of(kId), -1);
}

TEST_F(IdleWatchTest, ReportsMoreThanABatchInSeveralCallsEachOnce) {
  constexpr int kMany = 3 * IdleWatch::kBatch + 1;
  std::vector<FakeBo> bos(kMany);
  for (int i = 0; i < kMany; ++i) {
    bos[i].become_busy();
    ASSERT_EQ(*watch_->watch(BoId{static_cast<uint64_t>(i)}, bos[i].fd()), Usage::kBusy);
  }
  for (FakeBo& bo : bos) bo.become_idle();
  Ids all;
  int calls = 0;
  while (is_readable(watch_->event_fd())) {
    const size_t before = all.size();
    watch_->take_idle(all);
    EXPECT_LE(all.size() - before, static_cast<size_t>(IdleWatch::kBatch));
    ASSERT_LE(++calls, 10);
  }
  ASSERT_EQ(all.size(), static_cast<size_t>(kMany));
  std::sort(all.begin(), all.end());
  for (int i = 0; i < kMany; ++i) EXPECT_EQ(all[i], BoId{static_cast<uint64_t>(i)});
}

TEST_F(IdleWatchTest, AnyThreadMayUnwatchWhatIsNotWatched) {
  std::atomic<bool> stop = false;
  std::thread other([&] {
    for (uint64_t id = 1000; !stop; ++id) watch_->unwatch(BoId{id});
  });
  for (int i = 0; i < 1000; ++i) {
    bo_.become_busy();
    EXPECT_EQ(*watch_->watch(kId, bo_.fd()), Usage::kBusy);
    bo_.become_idle();
    EXPECT_EQ(take(), Ids{kId});
    watch_->unwatch(kId);
  }
  stop = true;
  other.join();
}

}  // namespace
}  // namespace panbo
