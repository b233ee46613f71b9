// That sandboxed.py, in which the integration suite runs once more, is as tight as the unit.
#include <cstdlib>

#include "tests/faults/faults_test.h"

namespace panbo {
namespace {

TEST(Sandbox, fault_29_a_sandboxed_daemon_has_the_filter_and_nothing_else) {
  SKIP_UNLESS_ROOT();
  if (kSanitized) GTEST_SKIP() << "NOT TESTED: a sanitizer needs what the unit forbids";
  if (std::system("command -v systemd-analyze >/dev/null") != 0) GTEST_SKIP() << "NOT TESTED: no systemd-analyze here";
  ::setenv("PANBO_TEST_WRAPPER", PANBO_SANDBOX, 1);
  const PanbodProcess daemon;
  ::unsetenv("PANBO_TEST_WRAPPER");
  EXPECT_EQ(status_of(daemon.pid(), "Seccomp"), 2u);
  EXPECT_EQ(status_of(daemon.pid(), "NoNewPrivs"), 1u);
  EXPECT_EQ(status_of(daemon.pid(), "CapBnd"), 0u);
  EXPECT_EQ(status_of(daemon.pid(), "CapEff"), 0u);
  EXPECT_NE(status_of(daemon.pid(), "Uid"), 0u);
  WirePeer peer(daemon.socket_path());
  peer.hello();
  EXPECT_TRUE(peer.alloc(4096).message.has_granted());
}

}  // namespace
}  // namespace panbo
