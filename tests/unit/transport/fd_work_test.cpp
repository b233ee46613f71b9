#include "daemon/transport/fd_work.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <optional>

#include "proto/unique_fd.h"
#include "tests/support/event_loop.h"

namespace panbo::test {
namespace {

using Piece = Turns::Work::Piece;

class FdWorkTest : public testing::Test {
 protected:
  void raise() const { ASSERT_EQ(::eventfd_write(event_.get(), 1), 0); }
  void take() const {
    eventfd_t count;
    ASSERT_EQ(::eventfd_read(event_.get(), &count), 0);
  }
  void work(std::function<Piece()> do_one) { work_.emplace(io_, turns_, event_.get(), std::move(do_one)); }

  boost::asio::io_context io_{1};
  Turns turns_{10};
  const UniqueFd event_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  int calls_ = 0;
  std::optional<FdWork> work_;
};

TEST_F(FdWorkTest, IsDoneInATurnAndNotInTheEventLoop) {
  work([this] {
    ++calls_;
    take();
    return Piece{.price = 1, .more = false};
  });
  raise();
  run_what_is_ready(io_);
  EXPECT_EQ(calls_, 0);
  turns_.run_turn(Time{});
  EXPECT_EQ(calls_, 1);
  EXPECT_TRUE(turns_.idle());
}

TEST_F(FdWorkTest, IsDoneAsLongAsThereIsMore) {
  work([this] {
    const bool more = ++calls_ % 3 != 0;
    if (!more) take();
    return Piece{.price = 1, .more = more};
  });
  for (int round = 1; round <= 2; ++round) {
    raise();
    run_what_is_ready(io_, turns_);
    EXPECT_EQ(calls_, 3 * round);
  }
}

TEST_F(FdWorkTest, AnFdThatStaysReadableKeepsTheEventLoopBusyForOneEventOnly) {
  work([this] { return Piece{.price = 1, .more = ++calls_ < 100}; });
  raise();
  EXPECT_EQ(io_.poll(), 1u);
  turns_.run_turn(Time{});
  EXPECT_EQ(calls_, 10) << "one turn";
  io_.restart();
  EXPECT_EQ(io_.poll(), 0u);
}

TEST_F(FdWorkTest, NothingIsCalledAfterItsEnd) {
  work([this] {
    ++calls_;
    return Piece{};
  });
  raise();
  run_what_is_ready(io_);
  work_.reset();
  run_what_is_ready(io_, turns_);
  EXPECT_EQ(calls_, 0);
  take();
}

}  // namespace
}  // namespace panbo::test
