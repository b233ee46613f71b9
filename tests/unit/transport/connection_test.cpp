// The connection by itself: what is sent is scripted, what comes is counted.

#include "daemon/transport/connection.h"

#include <gtest/gtest.h>

#include <deque>
#include <functional>

#include "tests/support/event_loop.h"
#include "tests/support/fds.h"
#include "tests/unit/transport/test_peer.h"

namespace panbo::test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using Strings = std::vector<std::string>;

class ScriptedConnection : public Connection {
 public:
  ScriptedConnection(const ConnectionLoop& loop, UniqueFd socket, const ConnectionLimits& limits)
      : Connection(loop, std::move(socket), limits) {}

  using Connection::end_when_sent;

  void put(std::string text) {
    output.push_back(std::move(text));
    flush();
  }

  std::deque<std::string> output;
  /// As long as there is one, sending fails with it.
  std::optional<Errno> obstacle;
  int attempts = 0;
  std::function<void(ScriptedConnection&)> when_given_up = [](ScriptedConnection& c) { c.end(); };
  std::vector<Errno> given_up;
  Strings packets;
  Strings violations;
  int ends = 0;

 private:
  void on_packet(std::span<const std::byte> packet) override {
    packets.emplace_back(reinterpret_cast<const char*>(packet.data()), packet.size());
  }
  void on_violation(const char* what) override { violations.emplace_back(what); }
  void on_end(UniqueFd) override { ++ends; }
  [[nodiscard]] bool has_output() const override { return !output.empty(); }
  Result<void> send_front() override {
    ++attempts;
    if (obstacle) return *obstacle;
    const auto sent = send_packet(socket(), std::as_bytes(std::span(output.front())), {}, MSG_DONTWAIT);
    if (sent) output.pop_front();
    return sent;
  }
  void give_up(Errno why) override {
    given_up.push_back(why);
    when_given_up(*this);
  }
};

class ConnectionTest : public testing::Test {
 protected:
  void SetUp() override { start({.stall_limit = hours(1)}); }

  void start(const ConnectionLimits& limits, bool tiny = false) {
    auto [ours, theirs] = socket_pair(tiny);
    connection_ = std::make_shared<ScriptedConnection>(
        ConnectionLoop{.io = io_, .turns = turns_, .payer = UserId{1000}}, std::move(ours), limits);
    connection_->start();
    peer_.emplace(std::move(theirs));
  }
  void run_ready() { run_what_is_ready(io_, turns_); }
  bool run_until_end() {
    return run_until(io_, turns_, [this] { return connection_->ends > 0; });
  }
  /// What the peer can receive now.
  Strings received() {
    Strings all;
    std::array<std::byte, 64> buffer;
    ReceivedFds fds;
    for (;;) {
      const auto packet = receive_packet(peer_->socket(), buffer, fds, MSG_DONTWAIT);
      // The kernel says once, before anything else, that the other end left something unread.
      if (!packet && packet.error() == Errno{ECONNRESET}) continue;
      if (!packet || packet->status == PacketStatus::kEndOfStream) return all;
      all.emplace_back(reinterpret_cast<const char*>(buffer.data()), packet->bytes);
    }
  }

  boost::asio::io_context io_{1};
  Turns turns_;
  std::shared_ptr<ScriptedConnection> connection_;
  std::optional<TestPeer> peer_;
};

TEST_F(ConnectionTest, PacketsComeWholeAndInOrder) {
  ASSERT_TRUE(peer_->send_raw("one"));
  ASSERT_TRUE(peer_->send_raw(std::string("t\0wo", 4)));
  ASSERT_TRUE(peer_->send_raw("three"));
  run_ready();
  EXPECT_EQ(connection_->packets, (Strings{"one", std::string("t\0wo", 4), "three"}));
}

TEST_F(ConnectionTest, OnePacketIsReadInATurn) {
  ASSERT_TRUE(peer_->send_raw("one"));
  ASSERT_TRUE(peer_->send_raw("two"));
  ASSERT_TRUE(run_until(io_, turns_, [this] { return !connection_->packets.empty(); }));
  EXPECT_EQ(connection_->packets.size(), 1u);
}

TEST_F(ConnectionTest, AStartedConnectionCostsNoTurnsWhileNothingComes) {
  run_ready();
  io_.restart();
  EXPECT_EQ(io_.poll(), 0u);
}

TEST_F(ConnectionTest, APacketMayHaveTheLargestSizeAndNoMore) {
  ASSERT_TRUE(peer_->send_raw(std::string(limits::kMaxPacketBytes, 'x')));
  run_ready();
  EXPECT_EQ(connection_->packets.at(0).size(), limits::kMaxPacketBytes);
  EXPECT_EQ(connection_->violations, Strings{});

  ASSERT_TRUE(peer_->send_raw(std::string(limits::kMaxPacketBytes + 1, 'x')));
  run_ready();
  EXPECT_EQ(connection_->packets.size(), 1u);
  EXPECT_EQ(connection_->violations, Strings{"sent a packet that is too large"});
  EXPECT_EQ(connection_->ends, 1);
}

TEST_F(ConnectionTest, AnEmptyPacketIsAViolation) {
  ASSERT_TRUE(peer_->send_raw(""));
  run_ready();
  EXPECT_EQ(connection_->violations, Strings{"sent an empty packet"});
  EXPECT_EQ(connection_->ends, 1);
  EXPECT_TRUE(peer_->at_end());
}

TEST_F(ConnectionTest, FdsAreAViolationAndClosed) {
  const int before = open_fds();
  const std::vector<int> fds(limits::kMaxBatch, peer_->socket());
  ASSERT_TRUE(peer_->send_raw("with fds", fds));
  ASSERT_TRUE(peer_->send_raw("and more"));
  run_ready();
  EXPECT_EQ(connection_->violations, Strings{"sent file descriptors"});
  EXPECT_EQ(connection_->packets, Strings{});
  EXPECT_EQ(connection_->ends, 1);
  EXPECT_EQ(open_fds(), before - 1) << "our end of the socket";
}

TEST_F(ConnectionTest, FdsThatTheTableHasNoRoomForAreAViolationAsWell) {
  ASSERT_TRUE(peer_->send_raw("with an fd", std::vector{peer_->socket()}));
  run_ready();
  start({});
  ASSERT_TRUE(peer_->send_raw("with an fd", std::vector{peer_->socket()}));
  const NoMoreFds no_more_fds;
  run_ready();
  EXPECT_EQ(connection_->violations, Strings{"sent file descriptors"});
  EXPECT_EQ(connection_->ends, 1);
}

TEST_F(ConnectionTest, APeerThatLeavesIsNoViolation) {
  peer_.reset();
  run_ready();
  EXPECT_EQ(connection_->ends, 1);
  EXPECT_EQ(connection_->violations, Strings{});
}

TEST_F(ConnectionTest, APeerThatLeavesUnreadPacketsBehindIsNoViolation) {
  connection_->put("unread");
  peer_.reset();
  run_ready();
  EXPECT_EQ(connection_->ends, 1);
  EXPECT_EQ(connection_->violations, Strings{});
}

TEST_F(ConnectionTest, WhatAPeerSentBeforeItLeftIsRead) {
  ASSERT_TRUE(peer_->send_raw("one"));
  ASSERT_TRUE(peer_->send_raw("two"));
  peer_.reset();
  run_ready();
  EXPECT_EQ(connection_->packets, (Strings{"one", "two"}));
  EXPECT_EQ(connection_->ends, 1);
}

TEST_F(ConnectionTest, EndsOnceAndFromTheEventLoop) {
  connection_->end();
  connection_->end();
  EXPECT_EQ(connection_->ends, 0) << "whoever called may still need the connection";
  run_ready();
  EXPECT_EQ(connection_->ends, 1);
  EXPECT_TRUE(peer_->at_end());
}

TEST_F(ConnectionTest, NobodyKeepsAConnectionThatHasEnded) {
  connection_->obstacle = Errno{EAGAIN};
  connection_->put("never sent");
  connection_->end();
  run_ready();
  EXPECT_EQ(connection_.use_count(), 1);
}

TEST_F(ConnectionTest, ReadsNothingWhileItCannotSend) {
  start({.stall_limit = hours(1)}, true);
  int put = 0;
  while (connection_->output.empty()) connection_->put(std::to_string(put++));
  ASSERT_TRUE(peer_->send_raw("request"));
  run_ready();
  EXPECT_EQ(connection_->packets, Strings{});
  EXPECT_FALSE(peer_->was_read());

  Strings all = received();
  ASSERT_TRUE(run_until(io_, turns_, [this] { return connection_->output.empty(); }));
  const Strings rest = received();
  all.insert(all.end(), rest.begin(), rest.end());
  Strings expected;
  for (int i = 0; i < put; ++i) expected.push_back(std::to_string(i));
  EXPECT_EQ(all, expected);
  run_ready();
  EXPECT_EQ(connection_->packets, Strings{"request"});
}

class ConnectionObstacleTest : public ConnectionTest, public testing::WithParamInterface<int> {};

TEST_P(ConnectionObstacleTest, IsTriedAgainUntilItHasPassed) {
  connection_->obstacle = Errno{GetParam()};
  connection_->put("one");
  connection_->put("two");
  EXPECT_EQ(connection_->attempts, 1) << "what comes behind does not hurry it";
  ASSERT_TRUE(run_until(io_, turns_, [this] { return connection_->attempts >= 5; }));
  EXPECT_EQ(received(), Strings{});
  connection_->obstacle.reset();
  ASSERT_TRUE(run_until(io_, turns_, [this] { return connection_->output.empty(); }));
  EXPECT_EQ(received(), (Strings{"one", "two"}));
  EXPECT_TRUE(connection_->given_up.empty());
  EXPECT_EQ(connection_->ends, 0);
}

INSTANTIATE_TEST_SUITE_P(Errors, ConnectionObstacleTest,
                         testing::Values(EAGAIN, EDQUOT, EMFILE, ENFILE, ENOMEM, ENOBUFS, ETOOMANYREFS));

TEST_F(ConnectionTest, EndsWhenNothingCanEverBeSent) {
  for (const int error : {EPIPE, ECONNRESET, EBADF}) {
    start({.stall_limit = hours(1)});
    connection_->obstacle = Errno{error};
    connection_->put("text");
    run_ready();
    EXPECT_EQ(connection_->ends, 1) << error;
    EXPECT_EQ(connection_->attempts, 1);
  }
}

TEST_F(ConnectionTest, GivesUpAfterTheLimitAndSaysWhy) {
  constexpr auto kLimit = milliseconds(20);
  start({.stall_limit = kLimit});
  const auto begin = std::chrono::steady_clock::now();
  connection_->obstacle = Errno{EMFILE};
  connection_->put("text");
  ASSERT_TRUE(run_until_end());
  EXPECT_EQ(connection_->given_up, std::vector{Errno{EMFILE}});
  EXPECT_GE(std::chrono::steady_clock::now() - begin, kLimit);
}

TEST_F(ConnectionTest, WhatReplacesThePacketThatWasGivenUpIsSent) {
  start({.stall_limit = milliseconds(20)});
  connection_->obstacle = Errno{EMFILE};
  connection_->when_given_up = [](ScriptedConnection& c) {
    c.output.front() = "instead";
    c.obstacle.reset();
  };
  connection_->put("text");
  connection_->put("after");
  ASSERT_TRUE(run_until(io_, turns_, [this] { return connection_->output.empty(); }));
  EXPECT_EQ(received(), (Strings{"instead", "after"}));
  ASSERT_TRUE(peer_->send_raw("request"));
  run_ready();
  EXPECT_EQ(connection_->packets, Strings{"request"}) << "it reads again";
  EXPECT_EQ(connection_->given_up.size(), 1u);
}

TEST_F(ConnectionTest, EachPacketHasTheWholeLimit) {
  start({.stall_limit = milliseconds(20)});
  connection_->when_given_up = [](ScriptedConnection& c) { c.obstacle.reset(); };
  connection_->obstacle = Errno{EMFILE};
  connection_->put("one");
  ASSERT_TRUE(run_until(io_, turns_, [this] { return connection_->output.empty(); }));
  connection_->obstacle = Errno{ENOMEM};
  connection_->put("two");
  EXPECT_EQ(connection_->given_up, std::vector{Errno{EMFILE}});
  ASSERT_TRUE(run_until(io_, turns_, [this] { return connection_->output.empty(); }));
  EXPECT_EQ(connection_->given_up, (std::vector{Errno{EMFILE}, Errno{ENOMEM}}));
}

TEST_F(ConnectionTest, EndsWhenEverythingIsSentAndReadsNoMore) {
  connection_->obstacle = Errno{EAGAIN};
  connection_->put("one");
  connection_->put("two");
  connection_->end_when_sent();
  ASSERT_TRUE(peer_->send_raw("too late"));
  run_ready();
  EXPECT_EQ(connection_->ends, 0);
  connection_->obstacle.reset();
  ASSERT_TRUE(run_until_end());
  EXPECT_EQ(received(), (Strings{"one", "two"}));
  EXPECT_EQ(connection_->packets, Strings{});
}

}  // namespace
}  // namespace panbo::test
