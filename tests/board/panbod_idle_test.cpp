// An idle daemon is asleep: for as long as nobody wants anything it makes no syscall at all.
#include <chrono>
#include <thread>

#include "tests/board/panbod_rig.h"
#include "tests/support/panbod_process.h"
#include "tests/support/strace.h"

namespace panbo::test {
namespace {

constexpr uint64_t kSize = 256 * 1024;
constexpr auto kIdle = std::chrono::seconds(10);

/// Those that returned; where a thread sleeps when strace comes, and still does when it leaves, is not one.
std::vector<std::string> calls_while_idle(pid_t daemon) {
  Strace trace(daemon);
  std::this_thread::sleep_for(kIdle);
  std::vector<std::string> calls;
  for (const std::string& line : trace.stop()) {
    if (line.find("<detached ...>") == std::string::npos && line.find("<unfinished ...>") == std::string::npos) {
      calls.push_back(line);
    }
  }
  return calls;
}

std::string all(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

/// Three clients that have each allocated, released and kept something, and then want nothing.
struct ThreeIdleClients {
  explicit ThreeIdleClients(const std::string& socket)
      : clients{Client("first", socket), Client("second", socket), Client("third", socket)} {
    for (Client& client : clients) {
      std::vector<panbo_bo*> bos;
      for (int i = 0; i < 32; ++i) bos.push_back(client.alloc(kSize));
      client.alloc(kSize);
      for (panbo_bo* bo : bos) client.release(bo);
    }
  }
  Client clients[3];
};

TEST(IdlePanbod, MakesNoSyscallInTenSecondsOnceItsCacheHasDecayed) {
  const PanbodProcess daemon("panfrost");
  const ThreeIdleClients clients(daemon.socket_path());
  WirePeer admin(daemon.admin_socket_path());
  EXPECT_GT(admin.stats().ready().bytes(), 0u);
  await("the cache has decayed", [&admin] { return admin.stats().ready().count() == 0; });
  EXPECT_EQ(admin.stats().leased().count(), 3u);
  EXPECT_GE(admin.stats().evicted().count(), 32u);

  const auto calls = calls_while_idle(daemon.pid());
  EXPECT_EQ(calls.size(), 0u) << all(calls);
  EXPECT_EQ(admin.stats().leased().count(), 3u) << "it was asleep, not dead";
}

TEST_F(PanbodOnPanfrost, OnlyFeedsTheWatchdogWhileItIsIdle) {
  const ThreeIdleClients clients("");
  await("the cache has decayed", [this] { return admin_.stats().ready().count() == 0; });
  const auto calls = calls_while_idle(daemon_pid());
  size_t pings = 0;
  for (const std::string& call : calls) pings += call.find("WATCHDOG=1") != std::string::npos ? 1 : 0;
  // Half of WatchdogSec=10s; a slow machine may be late.
  EXPECT_GE(pings, 1u) << all(calls);
  EXPECT_LE(pings, 3u) << all(calls);
  // A ping: the timer, the message as libsystemd sends it, and back to sleep.
  EXPECT_LE(calls.size(), (pings + 1) * 16) << all(calls);
}

}  // namespace
}  // namespace panbo::test
