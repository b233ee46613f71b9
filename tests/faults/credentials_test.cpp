// Who a client is: the one who connected, whatever has become of it.
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "tests/faults/failing_call.h"
#include "tests/faults/faults_test.h"

namespace panbo {
namespace {

using CredentialsTest = FaultsTest;

#ifndef SO_PEERPIDFD
constexpr int SO_PEERPIDFD = 77;
#endif

class WithoutPidfdsTest : public FaultsTest, public testing::WithParamInterface<int> {
 protected:
  WithoutPidfdsTest()
      : FaultsTest("", [](const std::string&) {
          fail_system_call({.number = SYS_getsockopt, .argument = 2, .value = SO_PEERPIDFD}, GetParam());
        }) {}
};

TEST_P(WithoutPidfdsTest, fault_13_everybody_is_accepted_where_the_kernel_gives_no_pidfd) {
  WirePeer peer = connect_and_greet();
  EXPECT_TRUE(peer.alloc(4096).message.has_granted());
  EXPECT_EQ(clients().back().pid(), ::getpid());
}

INSTANTIATE_TEST_SUITE_P(Errors, WithoutPidfdsTest, testing::Values(EINVAL, ENOPROTOOPT, ESRCH, EMFILE),
                         [](const auto& error) { return std::string(::strerrorname_np(error.param)); });

TEST_F(CredentialsTest, fault_13_peers_that_are_dead_before_they_are_accepted_are_accepted_and_gone) {
  constexpr int kPeers = 50;
  ::kill(daemon_.pid(), SIGSTOP);
  for (int i = 0; i < kPeers; ++i) {
    // Half of them have said something.
    EXPECT_TRUE(run_as(::getuid(), [&] {
      WirePeer peer = connect();
      if (i % 2 == 0) peer.send(batch_of(2, 4096));
      return true;
    }));
  }
  ::kill(daemon_.pid(), SIGCONT);
  await_clients(1);
  EXPECT_EQ(logged("refused, since the kernel"), 0u);
}

TEST_F(CredentialsTest, fault_14_credentials_are_those_of_the_one_who_connected) {
  SKIP_UNLESS_ROOT();
  let_others_in();
  // The connector's child is another user, and has the connection when the connector is gone.
  std::optional<WirePeer> peer;
  Child connector([&](Child& test) {
    peer.emplace(connect_and_greet("connector"));
    const pid_t heir = ::fork();
    if (heir != 0) ::_exit(heir > 0 ? 0 : 1);
    if (::setgid(kOtherUser) != 0 || ::setuid(kOtherUser) != 0) return false;
    test.hear();
    test.say(peer->alloc(4096).message.has_granted() ? 1 : 0);
    test.hear();
    return true;
  });
  const pid_t pid = connector.pid();
  ASSERT_TRUE(connector.wait()) << "the connector is gone";
  connector.say();
  EXPECT_EQ(connector.hear(), 1u);
  const auto all = clients();
  const auto found =
      std::find_if(all.begin(), all.end(), [](const auto& client) { return client.name() == "connector"; });
  ASSERT_NE(found, all.end());
  EXPECT_EQ(found->uid(), 0u);
  EXPECT_EQ(found->pid(), pid);
  EXPECT_EQ(found->leased().count(), 1u);
  connector.say();
}

TEST_F(CredentialsTest, fault_14_a_connector_that_changes_its_user_stays_who_it_was) {
  SKIP_UNLESS_ROOT();
  let_others_in();
  Child changed([&](Child& test) {
    WirePeer peer = connect_and_greet("changed");
    if (::setgid(kOtherUser) != 0 || ::setuid(kOtherUser) != 0) return false;
    test.say(peer.alloc(4096).message.has_granted() ? 1 : 0);
    test.hear();
    return true;
  });
  EXPECT_EQ(changed.hear(), 1u);
  const auto all = clients();
  EXPECT_TRUE(std::any_of(all.begin(), all.end(), [](const auto& c) { return c.name() == "changed" && c.uid() == 0; }));
  changed.say();
  EXPECT_TRUE(changed.wait());
}

}  // namespace
}  // namespace panbo
