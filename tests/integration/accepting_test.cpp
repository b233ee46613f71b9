// Connections in numbers that a daemon was not made for.
#include <sys/resource.h>

#include <fstream>
#include <sstream>

#include "tests/integration/panbod_test.h"

namespace panbo {
namespace {

class AcceptingTest : public PanbodTest {
 protected:
  /// Takes the daemon the right to open one more fd. Returns the limits to restore.
  rlimit fill_fd_table() {
    rlimit old{};
    EXPECT_EQ(::prlimit(daemon_.pid(), RLIMIT_NOFILE, nullptr, &old), 0);
    const rlimit full{.rlim_cur = static_cast<rlim_t>(daemon_.first_free_fd()), .rlim_max = old.rlim_max};
    EXPECT_EQ(::prlimit(daemon_.pid(), RLIMIT_NOFILE, &full, nullptr), 0);
    return old;
  }
};

/// The CPU time that a process has used, in clock ticks.
uint64_t cpu_ticks(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  // Fields 14 and 15; the name, field 2, may contain anything, and ends with the last parenthesis.
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  uint64_t user = 0;
  uint64_t system = 0;
  fields >> user >> system;
  return user + system;
}

TEST_F(AcceptingTest, OneUserMayConnectOnlySoOften) {
  std::vector<WirePeer> peers;
  // The bystander is one of the 256.
  for (int i = 0; i < 255; ++i) peers.push_back(connect_and_greet());
  for (int i = 0; i < 20; ++i) connect().await_end();
  EXPECT_EQ(logged("may have no more"), 1u);
  expect_bystander_served();
  peers.pop_back();
  await("there is room again", [this] {
    try {
      const WirePeer peer = connect_and_greet();
      return true;
    } catch (const std::runtime_error&) {
      return false;
    }
  });
}

TEST_F(AcceptingTest, AFullFdTableNeitherSpinsNorEndsTheDaemon) {
  const rlimit old = fill_fd_table();
  // What the daemon was just about to close makes room for one or two.
  std::vector<WirePeer> waiting;
  await("the daemon notices", [&] {
    waiting.push_back(connect());
    return logged("no connections are accepted for now") == 1;
  });

  // Those who are there are answered, if not with fds.
  EXPECT_EQ(bystander_.alloc(0).message.failure().code(), wire::FAILURE_INVALID_ARGUMENT);
  const uint64_t before = cpu_ticks(daemon_.pid());
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const uint64_t used = cpu_ticks(daemon_.pid()) - before;
  EXPECT_LE(used, static_cast<uint64_t>(::sysconf(_SC_CLK_TCK)) / 4) << "a daemon that spins uses all of a second";

  ASSERT_EQ(::prlimit(daemon_.pid(), RLIMIT_NOFILE, &old, nullptr), 0);
  waiting.back().hello();
  EXPECT_EQ(logged("connections are accepted again"), 1u);
  expect_bystander_served();
}

TEST_F(AcceptingTest, AGrantThatCannotBeSentForWantOfFdsIsRetried) {
  FromDaemon warm = bystander_.alloc(kMiB);
  bystander_.release({warm.message.granted().grants(0).lease_id()});
  warm.fds.clear();
  await("it is ready", [this] { return admin_.stats().ready().bytes() > kMiB; });
  const rlimit old = fill_fd_table();
  std::thread later([&] {
    await("it is leased", [this] { return admin_.stats().leased().count() == 1; });
    ::prlimit(daemon_.pid(), RLIMIT_NOFILE, &old, nullptr);
  });
  const FromDaemon answer = bystander_.alloc(kMiB);
  later.join();
  EXPECT_TRUE(answer.message.has_granted()) << answer.message.failure().message();
}

}  // namespace
}  // namespace panbo
