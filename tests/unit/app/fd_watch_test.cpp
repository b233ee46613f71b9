#include "daemon/app/fd_watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <optional>

#include "proto/unique_fd.h"
#include "tests/support/event_loop.h"
#include "tests/support/fds.h"

namespace panbo::test {
namespace {

class FdWatchTest : public testing::Test {
 protected:
  void raise() const { ASSERT_EQ(::eventfd_write(event_.get(), 1), 0); }
  bool take() {
    eventfd_t count;
    return ::eventfd_read(event_.get(), &count) == 0;
  }
  void watch(std::function<bool()> on_event) {
    watch_.emplace(io_, event_.get(), FdWatch::Wait::wait_read, std::move(on_event));
  }
  void run() { run_what_is_ready(io_); }

  boost::asio::io_context io_{1};
  const UniqueFd event_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  int calls_ = 0;
  std::optional<FdWatch> watch_;
};

TEST_F(FdWatchTest, CallsOnceForEachEvent) {
  watch([this] {
    ++calls_;
    return take();
  });
  run();
  EXPECT_EQ(calls_, 0);
  raise();
  run();
  EXPECT_EQ(calls_, 1);
  raise();
  run();
  EXPECT_EQ(calls_, 2);
}

TEST_F(FdWatchTest, SeesWhatWasThereBefore) {
  raise();
  watch([this] {
    ++calls_;
    return take();
  });
  run();
  EXPECT_EQ(calls_, 1);
}

TEST_F(FdWatchTest, CallsAgainForWhatIsLeft) {
  watch([this] { return ++calls_ < 3 || take(); });
  raise();
  run();
  EXPECT_EQ(calls_, 3);
}

TEST_F(FdWatchTest, WatchesNoMoreWhenItIsToldSo) {
  watch([this] {
    ++calls_;
    return false;
  });
  EXPECT_TRUE(is_in_epoll_set(event_.get()));
  raise();
  run();
  raise();
  run();
  EXPECT_EQ(calls_, 1);
  EXPECT_FALSE(is_in_epoll_set(event_.get())) << "an fd that has gone bad would wake the event loop for ever";
}

TEST_F(FdWatchTest, LeavesTheFdToItsOwner) {
  watch([this] {
    ++calls_;
    return take();
  });
  raise();
  watch_.reset();
  run();
  EXPECT_EQ(calls_, 0) << "nothing is called after its end";
  EXPECT_TRUE(take());
}

TEST_F(FdWatchTest, OneWatchCanFollowAnother) {
  watch([this] { return take(); });
  watch_.reset();
  watch([this] {
    ++calls_;
    return take();
  });
  raise();
  run();
  EXPECT_EQ(calls_, 1);
}

TEST_F(FdWatchTest, WhatIsNoFdIsAnError) {
  UniqueFd closed(::fcntl(event_.get(), F_DUPFD_CLOEXEC, 0));
  const int number = closed.get();
  closed.reset();
  EXPECT_THROW(FdWatch(io_, number, FdWatch::Wait::wait_read, [] { return true; }), boost::system::system_error);
}

}  // namespace
}  // namespace panbo::test
