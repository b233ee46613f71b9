// Whose memory goes to whom: a BO stays with the user whose data is in it.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/integration/panbod_test.h"

namespace panbo {
namespace {

constexpr uid_t kOtherUser = 12345;

class IdentityTest : public PanbodTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can be somebody else";
    // mkdtemp gives a directory that only its owner may pass.
    ASSERT_EQ(::chmod(daemon_.directory().c_str(), 0755), 0);
    await("the bystander's BO is ready", [this] { return admin_.stats().ready().count() == 1; });
    admin_.evict_all();
  }

  /// Runs `body` in a process of the other user; it passes if it does not throw and returns true.
  static bool as_other_user(const std::function<bool()>& body) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      bool ok = false;
      try {
        ok = ::setgid(kOtherUser) == 0 && ::setuid(kOtherUser) == 0 && body();
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
      }
      ::_exit(ok ? 0 : 1);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
};

TEST_F(IdentityTest, AnotherUserNeverGetsTheBo) {
  WirePeer peer = connect_and_greet();
  FromDaemon granted = peer.alloc(kMiB);
  const uint64_t inode = granted.message.granted().grants(0).inode();
  peer.release({granted.message.granted().grants(0).lease_id()});
  granted.fds.clear();
  await("the BO is ready", [this] { return admin_.stats().ready().count() == 1; });

  EXPECT_TRUE(as_other_user([&] {
    WirePeer other = connect_and_greet();
    const FromDaemon theirs = other.alloc(kMiB);
    const wire::Grant& grant = theirs.message.granted().grants(0);
    return grant.origin() == wire::ORIGIN_FRESH && grant.inode() != inode;
  }));
  // Its owner does.
  const FromDaemon again = peer.alloc(kMiB);
  EXPECT_EQ(again.message.granted().grants(0).inode(), inode);
}

TEST_F(IdentityTest, EvictionByUserTakesOnlyThatUsers) {
  WirePeer peer = connect_and_greet();
  FromDaemon mine = peer.alloc(kMiB);
  peer.release({mine.message.granted().grants(0).lease_id()});
  mine.fds.clear();
  ASSERT_TRUE(as_other_user([this] { return connect_and_greet().alloc(2 * kMiB).message.has_granted(); }));
  await("both are ready", [this] { return admin_.stats().ready().bytes() == 3 * kMiB; });
  wire::Envelope message;
  message.mutable_evict()->set_uid(kOtherUser);
  EXPECT_EQ(admin_.ask(message).message.evicted().evicted().bytes(), 2 * kMiB);
  EXPECT_EQ(admin_.stats().ready().bytes(), kMiB);
}

TEST_F(IdentityTest, TheAdminSocketIsNotForEverybody) {
  EXPECT_TRUE(as_other_user([this] { return !WirePeer::can_connect(daemon_.admin_socket_path()); }));
}

}  // namespace
}  // namespace panbo
