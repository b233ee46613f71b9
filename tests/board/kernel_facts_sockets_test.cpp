// What the design takes for granted about sockets, fds in flight, and who may ask for pressure events.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <fstream>
#include <string>
#include <vector>

#include "tests/board/fd_socket.h"
#include "tests/support/in_child.h"

namespace panbo::test {
namespace {

constexpr uid_t kUser = 1000;

/// An ordinary user, with a limit on fds. In a child process only.
bool become_user(rlim_t fd_limit) {
  const rlimit limit{.rlim_cur = fd_limit, .rlim_max = fd_limit};
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 && ::setgid(kUser) == 0 && ::setuid(kUser) == 0;
}

int error_of(const Result<void>& result) {
  return result ? 0 : result.error().value;
}

TEST(FdsInFlight, OneThatNeverReadsUsesUpTheSendersLimitForEverybody) {
  constexpr int kLimit = 64;
  struct Seen {
    bool user;
    int sent = 0;
    int error = 0;
    int error_to_another = 0;
    int error_after_a_read = -1;
  };
  const Seen seen = in_child([] {
    SocketPair never_reads;
    SocketPair another;
    const int fd = STDIN_FILENO;
    Seen seen{.user = become_user(kLimit)};
    while (seen.error == 0 && seen.sent < 10 * kLimit) {
      seen.error = error_of(send_fds(never_reads.here.get(), {&fd, 1}));
      if (seen.error == 0) ++seen.sent;
    }
    seen.error_to_another = error_of(send_fds(another.here.get(), {&fd, 1}));
    for (int i = 0; i < 8; ++i) static_cast<void>(receive_fds(never_reads.there.get()));
    seen.error_after_a_read = error_of(send_fds(another.here.get(), {&fd, 1}));
    return seen;
  });
  ASSERT_TRUE(seen.user);
  EXPECT_EQ(seen.error, ETOOMANYREFS);
  EXPECT_EQ(seen.sent, kLimit + 1);
  EXPECT_EQ(seen.error_to_another, ETOOMANYREFS);
  EXPECT_EQ(seen.error_after_a_read, 0);
}

TEST(FdsInFlight, AReceiverAtItsFdLimitGetsTheBytesAndNoFd) {
  struct Seen {
    bool sent;
    ssize_t bytes;
    size_t fds;
    bool fds_lost;
  };
  const Seen seen = in_child([] {
    SocketPair sockets;
    const int fd = STDIN_FILENO;
    const bool sent = send_fds(sockets.here.get(), {&fd, 1}).ok();
    const UniqueFd next(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const rlimit full{.rlim_cur = static_cast<rlim_t>(next.get()), .rlim_max = static_cast<rlim_t>(next.get())};
    ::setrlimit(RLIMIT_NOFILE, &full);
    const auto received = receive_fds(sockets.there.get());
    if (!received) return Seen{.sent = sent, .bytes = -1, .fds = 0, .fds_lost = false};
    return Seen{.sent = sent, .bytes = received->bytes, .fds = received->fds.size(), .fds_lost = received->fds_lost};
  });
  EXPECT_TRUE(seen.sent);
  EXPECT_EQ(seen.bytes, 1);
  EXPECT_EQ(seen.fds, 0u);
  EXPECT_TRUE(seen.fds_lost);
}

TEST(FdsInFlight, APacketTakes253AtMost) {
  SocketPair sockets;
  std::vector<int> fds(253, STDIN_FILENO);
  EXPECT_TRUE(send_fds(sockets.here.get(), fds));
  EXPECT_EQ(receive_fds(sockets.there.get())->fds.size(), fds.size());
  fds.push_back(STDIN_FILENO);
  EXPECT_EQ(error_of(send_fds(sockets.here.get(), fds)), EINVAL);
}

TEST(Packets, AnEmptyOneReadsAsZeroAndIsNotTheEnd) {
  SocketPair sockets;
  ASSERT_EQ(::send(sockets.here.get(), "", 0, 0), 0);
  ASSERT_EQ(::send(sockets.here.get(), "x", 1, 0), 1);
  char byte;
  EXPECT_EQ(::recv(sockets.there.get(), &byte, 1, MSG_DONTWAIT), 0);
  EXPECT_EQ(::recv(sockets.there.get(), &byte, 1, MSG_DONTWAIT), 1);
  EXPECT_EQ(::recv(sockets.there.get(), &byte, 1, MSG_DONTWAIT), -1);
  EXPECT_EQ(errno, EAGAIN);
}

/// The errno of a PSI trigger with this window, or 0.
int psi_trigger(uid_t user, unsigned window_us) {
  return in_child([=] {
    if (user != 0 && !become_user(64)) return -1;
    const UniqueFd psi(::open("/proc/pressure/memory", O_RDWR | O_CLOEXEC));
    if (!psi.valid()) return errno;
    const std::string trigger = "some 100000 " + std::to_string(window_us);
    return ::write(psi.get(), trigger.c_str(), trigger.size() + 1) < 0 ? errno : 0;
  });
}

TEST(Psi, ATriggerNeedsNoPrivilegeWhenItsWindowIsAMultipleOfTwoSeconds) {
  EXPECT_EQ(psi_trigger(kUser, 2'000'000), 0);
  EXPECT_EQ(psi_trigger(kUser, 4'000'000), 0);
}

TEST(Psi, ATriggerWithAnotherWindowNeedsPrivilege) {
  EXPECT_NE(psi_trigger(kUser, 1'000'000), 0);
  EXPECT_EQ(psi_trigger(0, 1'000'000), 0);
}

/// What a process in new namespaces sees of a peer outside of them, an ordinary user.
ucred peer_seen_from(int namespaces) {
  return in_child([namespaces] {
    const ucred nobody{.pid = -1, .uid = 0, .gid = 0};
    // A socketpair keeps the credentials of who made it.
    int ends[2];
    const uid_t root = ::geteuid();
    if (::setegid(kUser) != 0 || ::seteuid(kUser) != 0) return nobody;
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return nobody;
    if (::seteuid(root) != 0 || ::setegid(root) != 0 || ::unshare(namespaces) != 0) return nobody;
    return in_child([socket = ends[0]] {
      ucred seen{};
      socklen_t size = sizeof(seen);
      ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &seen, &size);
      return seen;
    });
  });
}

TEST(PeerCredentials, NameTheUserAndTheProcess) {
  const ucred seen = peer_seen_from(0);
  EXPECT_EQ(seen.uid, kUser);
  EXPECT_GT(seen.pid, 0);
}

TEST(PeerCredentials, InAUserNamespaceEveryUidIs65534) {
  EXPECT_EQ(peer_seen_from(CLONE_NEWUSER).uid, 65534u);
}

TEST(PeerCredentials, InAPidNamespaceEveryPidIs0) {
  const ucred seen = peer_seen_from(CLONE_NEWPID);
  EXPECT_EQ(seen.pid, 0);
  EXPECT_EQ(seen.uid, kUser);
}

}  // namespace
}  // namespace panbo::test
