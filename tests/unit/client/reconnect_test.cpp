// Daemons come and go: what a program notices of it, which is little.

#include <atomic>
#include <thread>

#include "client/lib/backoff.h"
#include "client/lib/daemon_link.h"
#include "tests/support/fds.h"
#include "tests/unit/client/client_rig.h"

namespace panbo::test {
namespace {

using namespace std::chrono_literals;

TEST(BackoffTest, PausesGrowUpToALimitAndAreNeverTheSameForAll) {
  Backoff backoff(1);
  Backoff other(2);
  Backoff::TimePoint now{};
  EXPECT_TRUE(backoff.is_due(now));
  auto pause = 100ms;
  bool differs = false;
  for (int i = 0; i < 10; ++i) {
    backoff.failed(now);
    other.failed(now);
    EXPECT_FALSE(backoff.is_due(now + pause / 2 - 1ms));
    EXPECT_TRUE(backoff.is_due(now + pause));
    for (auto t = 0ms; t < pause; t += 1ms) differs = differs || backoff.is_due(now + t) != other.is_due(now + t);
    pause = std::min(pause * 2, 5000ms);
    now += pause;
  }
  EXPECT_TRUE(differs);
  backoff.succeeded();
  EXPECT_TRUE(backoff.is_due(now));
  backoff.failed(now);
  EXPECT_TRUE(backoff.is_due(now + 100ms));
}

class ReconnectTest : public ClientRig {
 protected:
  ReconnectTest() { daemon_.lend_tables(); }

  // Tries until a BO has come from there; the pause between attempts to connect is the library's.
  panbo_bo* alloc_from(uint32_t origin) {
    for (;;) {
      panbo_bo* bo = nullptr;
      if (try_alloc(4096, &bo) == 0) {
        if (panbo_bo_get_origin(bo) == origin) return bo;
        release(bo);
      }
      std::this_thread::yield();
    }
  }
};

TEST_F(ReconnectTest, ALeaseOutlivesItsDaemon) {
  connect(settings());
  panbo_bo* bo = alloc();
  void* memory = nullptr;
  ASSERT_EQ(panbo_bo_map(bo, &memory), 0);
  *static_cast<char*>(memory) = 'p';
  daemon_.stop();
  EXPECT_EQ(*static_cast<char*>(memory), 'p');
  EXPECT_EQ(panbo_bo_wait(bo, 0), 0);
  EXPECT_GE(panbo_bo_get_fd(bo), 0);
  panbo_bo* none = nullptr;
  EXPECT_EQ(try_alloc(4096, &none), -ENOTCONN);
  release(bo);
  EXPECT_TRUE(kernel_.open().empty());
}

TEST_F(ReconnectTest, TheNextAllocationFindsTheNextDaemon) {
  connect(settings());
  const int fd = panbo_client_get_fd(client_);
  panbo_bo* old = alloc();
  daemon_.stop();
  daemon_.start();
  panbo_bo* bo = alloc();
  EXPECT_EQ(panbo_client_get_fd(client_), fd);
  EXPECT_EQ(stats().fresh, 2u);
  EXPECT_EQ(daemon_.seen().connects, 2);
  // The new one does not know that lease.
  release(old);
  release(bo);
  EXPECT_EQ(alloc(), bo);
  EXPECT_TRUE(daemon_.seen().released.empty());
}

TEST_F(ReconnectTest, IsPatientWithADaemonThatIsAwayForLonger) {
  connect(settings());
  alloc();
  daemon_.stop();
  panbo_bo* none = nullptr;
  EXPECT_EQ(try_alloc(4096, &none), -ENOTCONN);
  daemon_.start();
  EXPECT_NE(alloc_from(PANBO_ORIGIN_FRESH), nullptr);
}

TEST_F(ReconnectTest, ARequestThatLostItsDaemonIsMadeAgain) {
  connect(settings());
  std::atomic<int> requests = 0;
  daemon_.follow([&](FakeDaemon::Peer& peer, const wire::Envelope& request) {
    if (!request.has_alloc() || ++requests > 1) return false;
    peer.hang_up();
    return true;
  });
  EXPECT_NE(alloc(), nullptr);
  EXPECT_EQ(requests, 2);
  EXPECT_EQ(stats().failed, 0u);
}

TEST_F(ReconnectTest, ARequestIsMadeTwiceAtMost) {
  connect(settings());
  std::atomic<int> requests = 0;
  daemon_.follow([&](FakeDaemon::Peer& peer, const wire::Envelope& request) {
    if (!request.has_alloc()) return false;
    ++requests;
    peer.hang_up();
    return true;
  });
  panbo_bo* none = nullptr;
  EXPECT_EQ(try_alloc(4096, &none), -ENOTCONN);
  EXPECT_EQ(requests, 2);
}

TEST_F(ReconnectTest, TheFdIsQuietWhileThereIsNoDaemon) {
  connect(settings(PANBO_CLIENT_NO_THREAD));
  release(alloc());
  const int fd = panbo_client_get_fd(client_);
  daemon_.stop();
  EXPECT_TRUE(becomes_readable(fd));
  EXPECT_EQ(panbo_client_dispatch(client_, 0), -ENOTCONN);
  EXPECT_FALSE(is_readable(fd));
  EXPECT_EQ(stats().kept_count, 0u);
  daemon_.start();
  release(alloc_from(PANBO_ORIGIN_FRESH));
  ASSERT_EQ(daemon_.table()->take_all(), 1u);
  daemon_.table()->ring();
  EXPECT_TRUE(becomes_readable(fd));
  EXPECT_EQ(panbo_client_dispatch(client_, 0), 1);
}

TEST_F(ReconnectTest, TheThreadHearsTheNewDaemonsBell) {
  connect(settings());
  release(alloc());
  daemon_.stop();
  daemon_.start();
  release(alloc_from(PANBO_ORIGIN_FRESH));
  ASSERT_EQ(daemon_.table()->take_all(), 1u);
  daemon_.table()->ring();
  EXPECT_TRUE(daemon_.becomes([](const FakeDaemon::Seen& seen) { return seen.released.size() == 1; }));
}

TEST_F(ReconnectTest, WithoutADaemonBosAreMadeDirectly) {
  daemon_.stop();
  connect(settings(PANBO_CLIENT_DIRECT));
  panbo_bo* bo = alloc(5000);
  EXPECT_EQ(panbo_bo_get_origin(bo), PANBO_ORIGIN_DIRECT);
  EXPECT_EQ(panbo_bo_get_size(bo), 8192u);
  EXPECT_EQ(kernel_.open(), std::vector{handle_of(bo)});
  void* memory = nullptr;
  EXPECT_EQ(panbo_bo_map(bo, &memory), 0);
  EXPECT_EQ(stats().direct, 1u);
  EXPECT_EQ(stats().leased_bytes, 8192u);
  release(bo);
  EXPECT_TRUE(kernel_.open().empty());
  EXPECT_EQ(stats().kept_count, 0u);
  panbo_bo* none = nullptr;
  EXPECT_EQ(try_alloc(0, &none), -EINVAL);
  EXPECT_EQ(try_alloc(uint64_t{1} << 32, &none), -EINVAL);
  kernel_.fail_with(Errno{ENOMEM});
  EXPECT_EQ(try_alloc(4096, &none), -ENOMEM);
}

TEST_F(ReconnectTest, ItGoesBackToTheDaemonWhenThereIsOne) {
  connect(settings(PANBO_CLIENT_DIRECT));
  EXPECT_EQ(panbo_bo_get_origin(alloc()), PANBO_ORIGIN_FRESH);
  daemon_.stop();
  EXPECT_EQ(panbo_bo_get_origin(alloc()), PANBO_ORIGIN_DIRECT);
  daemon_.start();
  EXPECT_NE(alloc_from(PANBO_ORIGIN_FRESH), nullptr);
}

TEST_F(ReconnectTest, ADaemonThatDoesNotGreetIsNone) {
  daemon_.follow([](FakeDaemon::Peer&, const wire::Envelope& request) { return request.has_hello(); });
  connect(settings(PANBO_CLIENT_DIRECT));
  EXPECT_EQ(panbo_bo_get_origin(alloc()), PANBO_ORIGIN_DIRECT);
}

// So one that hangs costs a program the longer wait once, and one that is slow to start is still found.
TEST_F(ReconnectTest, HowLongADaemonIsWaitedForDependsOnWhetherItAnsweredTheLastTime) {
  std::atomic<int> hellos = 0;
  daemon_.follow(
      [&](FakeDaemon::Peer&, const wire::Envelope& request) { return request.has_hello() && ++hellos == 1; });
  const auto guard = ForkGuard::make();
  ASSERT_TRUE(guard);
  const auto link = DaemonLink::make(
      {.greeting = {.path = daemon_.socket_path(), .name = "client"}, .patience = 0ms, .patience_with_silent = 1h},
      *guard);
  ASSERT_TRUE(link);
  bool is_new = false;
  ASSERT_EQ((*link)->get(is_new).error(), Errno{ETIMEDOUT});
  EXPECT_TRUE(daemon_.becomes([&](const FakeDaemon::Seen&) { return hellos == 1; }));
  // The library's pause, and then the one attempt that has all the time that it needs.
  while (!(*link)->get(is_new)) std::this_thread::yield();
  EXPECT_TRUE(is_new);
  EXPECT_EQ(hellos, 2);
}

TEST_F(ReconnectTest, WithoutDirectAClientNeedsADaemonToStart) {
  daemon_.stop();
  const auto client = Client::connect(settings());
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error(), Errno{ENOENT});
}

}  // namespace
}  // namespace panbo::test
