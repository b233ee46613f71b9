#include "client/lib/poll_until.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include <atomic>
#include <csignal>
#include <limits>
#include <thread>

#include "proto/unique_fd.h"

namespace panbo {
namespace {

class PollUntilTest : public testing::Test {
 protected:
  UniqueFd fd_{::eventfd(0, EFD_CLOEXEC)};
};

TEST_F(PollUntilTest, LooksOnceWithoutATimeout) {
  EXPECT_EQ(*poll_until(fd_.get(), POLLIN, deadline_after(0)), 0);
  ASSERT_EQ(::eventfd_write(fd_.get(), 1), 0);
  EXPECT_EQ(*poll_until(fd_.get(), POLLIN, deadline_after(0)), POLLIN);
}

TEST_F(PollUntilTest, GivesUpAtTheDeadline) {
  const Deadline deadline = deadline_after(1'000'000);
  EXPECT_EQ(*poll_until(fd_.get(), POLLIN, deadline), 0);
  EXPECT_GE(std::chrono::steady_clock::now(), *deadline);
}

TEST_F(PollUntilTest, WaitsAsLongAsItTakes) {
  EXPECT_FALSE(deadline_after(-1));
  std::thread later([&] { ::eventfd_write(fd_.get(), 1); });
  EXPECT_EQ(*poll_until(fd_.get(), POLLIN, deadline_after(-1)), POLLIN);
  later.join();
}

TEST_F(PollUntilTest, TakesTheLongestTimeout) {
  const Deadline deadline = deadline_after(std::numeric_limits<int64_t>::max());
  EXPECT_GT(*deadline, std::chrono::steady_clock::now());
  ASSERT_EQ(::eventfd_write(fd_.get(), 1), 0);
  EXPECT_EQ(*poll_until(fd_.get(), POLLIN, deadline), POLLIN);
}

TEST_F(PollUntilTest, GoesOnAfterASignal) {
  static std::atomic<int> signals;
  signals = 0;
  struct sigaction action {};
  action.sa_handler = [](int) { ++signals; };
  struct sigaction old;
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &old), 0);
  const pthread_t self = ::pthread_self();
  std::thread other([&] {
    while (signals < 10) ::pthread_kill(self, SIGUSR1);
    ::eventfd_write(fd_.get(), 1);
  });
  EXPECT_EQ(*poll_until(fd_.get(), POLLIN, std::nullopt), POLLIN);
  other.join();
  ::sigaction(SIGUSR1, &old, nullptr);
}

}  // namespace
}  // namespace panbo
