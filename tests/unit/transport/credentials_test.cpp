#include "daemon/transport/credentials.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tuple>

#include "tests/unit/transport/abstract_listener.h"

namespace panbo::test {
namespace {

TEST(Credentials, AreThoseOfWhoConnectedAlsoWhenItIsGone) {
  AbstractListener listening;
  const pid_t child = ::fork();
  if (child == 0) {
    std::ignore = listening.connect();
    ::_exit(0);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  const UniqueFd listener = listening.take_socket();
  const UniqueFd connection(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const auto peer = peer_of(connection.get());
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->pid, child);
  EXPECT_EQ(peer->uid, ::getuid());
}

TEST(Credentials, WhatIsNoSocketHasNone) {
  const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(peer_of(file.get()).error(), Errno{ENOTSOCK});
  EXPECT_EQ(peer_of(-1).error(), Errno{EBADF});
}

}  // namespace
}  // namespace panbo::test
