#include "daemon/transport/listener.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <vector>

#include "tests/support/event_loop.h"
#include "tests/support/fds.h"
#include "tests/support/log_capture.h"
#include "tests/unit/transport/abstract_listener.h"

namespace panbo::test {
namespace {

class ListenerTest : public testing::Test {
 protected:
  void listen() {
    listener_.emplace(io_, turns_, listening_.take_socket(), [this](UniqueFd connection, const Peer& peer) {
      accepted_.push_back(std::move(connection));
      peers_.push_back(peer);
    });
  }
  bool run_until_accepted(size_t count) {
    return run_until(io_, turns_, [&] { return accepted_.size() == count; });
  }

  LogCapture log_;
  boost::asio::io_context io_{1};
  Turns turns_;
  AbstractListener listening_;
  std::vector<UniqueFd> accepted_;
  std::vector<Peer> peers_;
  std::optional<Listener> listener_;
};

TEST_F(ListenerTest, AcceptsThoseWhoConnectedBeforeAndAfter) {
  const UniqueFd before = listening_.connect();
  listen();
  const UniqueFd after = listening_.connect();
  ASSERT_TRUE(run_until_accepted(2));
  const UniqueFd later = listening_.connect();
  ASSERT_TRUE(run_until_accepted(3));
}

TEST_F(ListenerTest, AcceptsOneInATurn) {
  listen();
  const UniqueFd first = listening_.connect();
  const UniqueFd second = listening_.connect();
  ASSERT_TRUE(run_until(io_, turns_, [this] { return !accepted_.empty(); }));
  EXPECT_EQ(accepted_.size(), 1u);
}

TEST_F(ListenerTest, SaysWhoConnected) {
  listen();
  const UniqueFd client = listening_.connect();
  ASSERT_TRUE(run_until_accepted(1));
  EXPECT_EQ(peers_[0].uid, ::getuid());
  EXPECT_EQ(peers_[0].pid, ::getpid());
}

TEST_F(ListenerTest, ConnectionsDoNotBlockAndAreNotInherited) {
  listen();
  const UniqueFd client = listening_.connect();
  ASSERT_TRUE(run_until_accepted(1));
  EXPECT_NE(::fcntl(accepted_[0].get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(accepted_[0].get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(ListenerTest, AClientThatIsGoneAgainDoesNoHarm) {
  listen();
  listening_.connect().reset();
  const UniqueFd client = listening_.connect();
  ASSERT_TRUE(run_until_accepted(2));
}

TEST_F(ListenerTest, PausesWhileThereAreNoFdsAndGoesOnWhenThereAre) {
  listen();
  const UniqueFd first = listening_.connect();
  ASSERT_TRUE(run_until_accepted(1));
  const UniqueFd second = listening_.connect();
  const UniqueFd third = listening_.connect();
  {
    const NoMoreFds no_more_fds;
    ASSERT_TRUE(run_until(io_, turns_, [this] { return log_.count("no connections are accepted for now") == 1; }));
    // It leaves the socket alone, although that stays readable.
    io_.restart();
    io_.poll();
    io_.restart();
    EXPECT_EQ(io_.poll(), 0u);
    // And it comes back to it by itself; what it says, it says once.
    io_.restart();
    ASSERT_EQ(io_.run_one_for(std::chrono::seconds(60)), 1u);
    EXPECT_EQ(accepted_.size(), 1u);
    EXPECT_EQ(log_.lines().size(), 1u);
  }
  ASSERT_TRUE(run_until_accepted(3));
  EXPECT_EQ(log_.count("connections are accepted again"), 1u);
}

TEST_F(ListenerTest, FdsThatRunOutAgainAndAgainDoNotFillTheLog) {
  listen();
  std::vector<UniqueFd> clients;
  for (size_t i = 1; i <= 5; ++i) {
    clients.push_back(listening_.connect());
    {
      const NoMoreFds no_more_fds;
      run_what_is_ready(io_, turns_);
      ASSERT_LT(accepted_.size(), i);
    }
    ASSERT_TRUE(run_until_accepted(i));
  }
  EXPECT_EQ(log_.count("no connections are accepted for now"), 1u);
  EXPECT_EQ(log_.count("connections are accepted again"), 1u);
}

TEST_F(ListenerTest, PausesWhenNothingCanEverBeAccepted) {
  // Does not listen: always ready, always EINVAL.
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  listener_.emplace(io_, turns_, std::move(socket), [](UniqueFd, const Peer&) {});
  ASSERT_TRUE(run_until(io_, turns_, [this] { return log_.count("no connections are accepted for now") == 1; }));
  io_.restart();
  io_.poll();
  io_.restart();
  EXPECT_EQ(io_.poll(), 0u);
}

}  // namespace
}  // namespace panbo::test
