// What happens when several threads share a connection, and when the daemon says what nobody expects.

#include "client/lib/connection.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <map>
#include <optional>
#include <thread>

#include "client/lib/seqpacket_socket.h"
#include "tests/support/fake_daemon.h"
#include "tests/support/fds.h"

namespace panbo::test {
namespace {

using codec::PacketBuffer;

constexpr codec::AllocItem kItem[] = {{.size = 4096}};

wire::Envelope granted(uint64_t request_id, int fd, uint64_t lease_id) {
  wire::Envelope answer;
  answer.set_request_id(request_id);
  *answer.mutable_granted()->add_grants() = describe(fd, lease_id);
  return answer;
}

wire::Envelope pressure() {
  wire::Envelope event;
  event.mutable_pressure_event()->set_level(wire::PRESSURE_LEVEL_SOME);
  return event;
}

class ConnectionTest : public testing::Test {
 protected:
  // The lease id that the request with this id is granted, or the negative errno.
  static int64_t alloc(Connection& connection, uint64_t id) {
    PacketBuffer request;
    PacketBuffer buffer;
    const auto answer = connection.call(id, codec::encode_alloc(id, kItem, 0, request), buffer);
    if (!answer) return -answer.error().value;
    const auto message = codec::decode(answer->packet);
    EXPECT_EQ(message->request_id, id);
    EXPECT_EQ(answer->fds.count(), 1u);
    return static_cast<int64_t>(std::get<codec::Granted>(message->body)[0].lease_id);
  }
  int64_t alloc() { return alloc(connection_, connection_.next_request_id()); }

  bool requested(size_t count) {
    return daemon_.becomes([&](const FakeDaemon::Seen& seen) { return seen.requests.size() >= count; });
  }

  bool accepted() {
    return daemon_.becomes([](const FakeDaemon::Seen& seen) { return seen.connects == 1; });
  }

  FakeDaemon daemon_;
  Connection connection_{*connect_seqpacket(daemon_.socket_path().c_str())};
};

TEST_F(ConnectionTest, GivesEachThreadItsOwnAnswer) {
  // Each lease is named after the request, and answered when eight are waiting, the last one first.
  constexpr int kThreads = 8;
  constexpr int kRounds = 50;
  std::map<uint64_t, FakeDaemon::Peer*, std::greater<>> waiting;
  daemon_.follow([&](FakeDaemon::Peer& peer, const wire::Envelope& request) {
    waiting[request.request_id()] = &peer;
    if (waiting.size() < kThreads) return true;
    for (const auto& [id, asker] : waiting) {
      const UniqueFd fd = make_memfd(4096);
      asker->send(granted(id, fd.get(), id), {fd.get()});
    }
    waiting.clear();
    return true;
  });
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kRounds; ++i) {
        const uint64_t id = connection_.next_request_id();
        right += alloc(connection_, id) == static_cast<int64_t>(id);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, kThreads * kRounds);
  daemon_.stop();
}

TEST_F(ConnectionTest, PassesTheReadingOnToAThreadThatStillWaits) {
  // The first request is answered only after the second one: whoever reads first, reads for the other.
  std::vector<uint64_t> ids;
  daemon_.follow([&](FakeDaemon::Peer& peer, const wire::Envelope& request) {
    ids.push_back(request.request_id());
    const UniqueFd fd = make_memfd(4096);
    if (ids.size() == 2) peer.send(granted(ids[1], fd.get(), 2), {fd.get()});
    if (ids.size() == 3) peer.send(granted(ids[0], fd.get(), 1), {fd.get()});
    if (ids.size() == 3) peer.send(granted(ids[2], fd.get(), 3), {fd.get()});
    return true;
  });
  std::thread first([&] { EXPECT_EQ(alloc(), 1); });
  ASSERT_TRUE(requested(1));
  EXPECT_EQ(alloc(), 2);
  EXPECT_EQ(alloc(), 3);
  first.join();
  daemon_.stop();
}

TEST_F(ConnectionTest, EndsEveryCallWhenTheDaemonDies) {
  daemon_.follow([](FakeDaemon::Peer&, const wire::Envelope&) { return true; });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) threads.emplace_back([&] { EXPECT_EQ(alloc(), -ENOTCONN); });
  std::thread dispatcher([&] {
    const auto handled = connection_.dispatch(std::nullopt);
    EXPECT_FALSE(handled);
    EXPECT_EQ(handled.error(), Errno{ENOTCONN});
  });
  ASSERT_TRUE(requested(4));
  daemon_.stop();
  for (std::thread& thread : threads) thread.join();
  dispatcher.join();
  EXPECT_EQ(alloc(), -ENOTCONN);
  EXPECT_EQ(connection_.send({}).error(), Errno{ENOTCONN});
}

// Such a daemon leaves something unread, for which the kernel has an error of its own.
class DeadDaemonTest : public testing::Test {
 protected:
  DeadDaemonTest() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    daemon_.emplace(UniqueFd(fds[0]));
    connection_.emplace(UniqueFd(fds[1]));
    PacketBuffer buffer;
    const uint64_t lease = 1;
    EXPECT_TRUE(connection_->send(codec::encode_release(std::span(&lease, 1), false, buffer)));
  }

  std::optional<FakeDaemon::Peer> daemon_;
  std::optional<Connection> connection_;
};

TEST_F(DeadDaemonTest, ItsLastAnswerIsRead) {
  daemon_->fail(1, wire::FAILURE_VERSION);
  daemon_.reset();
  PacketBuffer hello;
  PacketBuffer buffer;
  const auto answer = connection_->call(1, codec::encode_hello(1, 1, "", false, hello), buffer);
  ASSERT_TRUE(answer);
  EXPECT_EQ(std::get<codec::Failure>(codec::decode(answer->packet)->body).code, codec::FailureCode::kVersion);
}

TEST_F(DeadDaemonTest, ItsLastEventsAreHandled) {
  daemon_->send(pressure());
  daemon_->send(pressure());
  daemon_.reset();
  EXPECT_EQ(*connection_->dispatch(std::nullopt), 2);
  EXPECT_EQ(connection_->dispatch(std::nullopt).error(), Errno{ENOTCONN});
}

TEST_F(ConnectionTest, GivesBackWhatNobodyAskedFor) {
  daemon_.follow([](FakeDaemon::Peer& peer, const wire::Envelope& request) {
    if (!request.has_alloc()) return false;
    const UniqueFd fd = make_memfd(4096);
    peer.send(granted(request.request_id() + 1000, fd.get(), 66), {fd.get()});
    peer.send(granted(0, fd.get(), 67), {fd.get()});
    peer.send(granted(request.request_id(), fd.get(), 1), {fd.get()});
    // An answer that comes twice has nobody waiting for it either.
    peer.send(granted(request.request_id(), fd.get(), 68), {fd.get()});
    return true;
  });
  ASSERT_TRUE(accepted());
  const int fds = open_fds();
  EXPECT_EQ(alloc(), 1);
  EXPECT_EQ(*connection_.dispatch(std::nullopt), 1);
  EXPECT_TRUE(daemon_.becomes([](const FakeDaemon::Seen& seen) {
    return seen.released == std::vector<uint64_t>({66, 67, 68});
  }));
  EXPECT_EQ(open_fds(), fds);
}

TEST_F(ConnectionTest, EndsOverAPacketThatIsNone) {
  const std::string long_packet(limits::kMaxPacketBytes + 1, 'x');
  for (const std::string& packet : {std::string("\xff\xff"), std::string(), long_packet}) {
    Connection connection(*connect_seqpacket(daemon_.socket_path().c_str()));
    daemon_.follow([packet](FakeDaemon::Peer& peer, const wire::Envelope&) {
      peer.send_bytes(packet);
      return true;
    });
    EXPECT_EQ(alloc(connection, 1), -ENOTCONN);
  }
}

TEST_F(ConnectionTest, DispatchHandlesWhatHasCome) {
  EXPECT_EQ(*connection_.dispatch(deadline_after(0)), 0);
  ASSERT_TRUE(accepted());
  daemon_.broadcast(pressure());
  daemon_.broadcast(pressure());
  EXPECT_EQ(*connection_.dispatch(deadline_after(0)), 2);
  EXPECT_EQ(*connection_.dispatch(deadline_after(0)), 0);
}

TEST_F(ConnectionTest, DispatchWaits) {
  EXPECT_EQ(*connection_.dispatch(deadline_after(1'000'000)), 0);
  std::thread later([&] {
    ASSERT_TRUE(accepted());
    daemon_.broadcast(pressure());
  });
  EXPECT_EQ(*connection_.dispatch(std::nullopt), 1);
  later.join();
}

TEST_F(ConnectionTest, DispatchLeavesAPacketFloodInTheEnd) {
  ASSERT_TRUE(accepted());
  for (int i = 0; i < 100; ++i) daemon_.broadcast(pressure());
  const int handled = *connection_.dispatch(deadline_after(0));
  EXPECT_GT(handled, 1);
  EXPECT_LT(handled, 100);
}

TEST_F(ConnectionTest, DispatchGivesUpWhileAnotherThreadReads) {
  uint64_t held_back = 0;
  daemon_.follow([&](FakeDaemon::Peer& peer, const wire::Envelope& request) {
    const UniqueFd fd = make_memfd(4096);
    if (std::exchange(held_back, request.request_id()) == 0) return true;
    for (const uint64_t id : {request.request_id() - 1, request.request_id()})
      peer.send(granted(id, fd.get(), id), {fd.get()});
    return true;
  });
  std::thread reader([&] { EXPECT_GT(alloc(), 0); });
  ASSERT_TRUE(requested(1));
  EXPECT_EQ(*connection_.dispatch(deadline_after(1'000'000)), 0);
  EXPECT_GT(alloc(), 0);
  reader.join();
  daemon_.stop();
}

TEST_F(ConnectionTest, AThreadThatDispatchesForeverServesTheOthers) {
  std::thread dispatcher([&] {
    while (connection_.dispatch(std::nullopt)) continue;
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) EXPECT_GT(alloc(), 0);
    });
  }
  for (std::thread& thread : threads) thread.join();
  connection_.shut_down();
  dispatcher.join();
}

// More releases than a socket holds, while answers come: neither side may wait for the other for ever.
TEST_F(ConnectionTest, SendingManyReleasesDoesNotStopAnswers) {
  constexpr uint64_t kReleases = 5000;
  std::thread allocator([&] {
    for (int i = 0; i < 100; ++i) EXPECT_GT(alloc(), 0);
  });
  for (uint64_t lease = 0; lease < kReleases; ++lease) {
    PacketBuffer buffer;
    EXPECT_TRUE(connection_.send(codec::encode_release(std::span(&lease, 1), false, buffer)));
  }
  allocator.join();
  EXPECT_TRUE(daemon_.becomes([](const FakeDaemon::Seen& seen) { return seen.released.size() == kReleases; }));
}

}  // namespace
}  // namespace panbo::test
