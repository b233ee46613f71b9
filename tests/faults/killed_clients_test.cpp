// Clients that die, in every state they can be in, leave nothing behind.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/faults/faults_test.h"

namespace panbo {
namespace {

class KilledClientsTest : public FaultsTest {
 protected:
  /// Runs `body` in a process of its own, which then waits to be killed, and kills it.
  void killed_after(const std::function<void()>& body) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd reading(ends[0]);
    UniqueFd writing(ends[1]);
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      try {
        body();
      } catch (...) {
        ::_exit(1);
      }
      const char done = 'd';
      if (::write(writing.get(), &done, 1) == 1) {
        for (;;) ::pause();
      }
      ::_exit(1);
    }
    writing.reset();
    char done = 0;
    EXPECT_EQ(::read(reading.get(), &done, 1), 1) << "the client did not get as far as it should";
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
};

TEST_F(KilledClientsTest, fault_09_killed_before_hello) {
  killed_after([this] { [[maybe_unused]] static auto peer = std::make_unique<WirePeer>(connect()); });
}

TEST_F(KilledClientsTest, fault_09_killed_with_leases) {
  killed_after([this] {
    static auto peer = std::make_unique<WirePeer>(connect_and_greet());
    static std::vector<FromDaemon> leases;
    for (int i = 0; i < 20; ++i) leases.push_back(peer->alloc(kMiB));
  });
}

TEST_F(KilledClientsTest, fault_09_killed_with_grants_it_had_not_read) {
  killed_after([this] {
    static auto peer = std::make_unique<WirePeer>(connect_and_greet());
    wire::Envelope message;
    for (int i = 0; i < 64; ++i) message.mutable_alloc()->add_items()->set_size(4096);
    peer->send(message);
    // The answer to the second request means that the first one was answered too.
    peer->send(message);
  });
}

TEST_F(KilledClientsTest, fault_09_killed_while_its_request_waits) {
  limit_memory(2 * kMiB);
  killed_after([this] {
    static auto peer = std::make_unique<WirePeer>(connect_and_greet());
    static const FromDaemon all = peer->alloc(2 * kMiB);
    static auto other = std::make_unique<WirePeer>(connect_and_greet());
    wire::Envelope message;
    message.mutable_alloc()->add_items()->set_size(kMiB);
    message.mutable_alloc()->set_timeout_ns(3600'000'000'000);
    other->send(message);
  });
}

TEST_F(KilledClientsTest, fault_09_killed_while_a_job_uses_its_bo) {
  uint64_t inode = 0;
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reading(ends[0]);
  const UniqueFd writing(ends[1]);
  killed_after([this, &writing] {
    static auto peer = std::make_unique<WirePeer>(connect_and_greet());
    static const FromDaemon lease = peer->alloc(kMiB);
    const uint64_t found = lease.message.granted().grants(0).inode();
    wire::Simulate job;
    job.mutable_job()->set_inode(found);
    WirePeer(daemon_.admin_socket_path()).simulate(job);
    if (::write(writing.get(), &found, sizeof(found)) != sizeof(found)) ::_exit(1);
  });
  ASSERT_EQ(::read(reading.get(), &inode, sizeof(inode)), static_cast<ssize_t>(sizeof(inode)));
  await("the BO drains", [this] { return admin_.stats().draining().count() == 1; });
  EXPECT_EQ(admin_.stats().ready().bytes(), 0u);
  end_job(inode);
  await("the BO is ready", [this] { return admin_.stats().ready().bytes() == kMiB; });
  expect_nothing_leaked();
}

TEST_F(KilledClientsTest, fault_08_many_come_and_go) {
  for (int i = 0; i < 2000; ++i) {
    WirePeer peer = connect_and_greet();
    const FromDaemon lease = peer.alloc(4096 * static_cast<uint64_t>(1 + i % 7));
    ASSERT_TRUE(lease.message.has_granted());
  }
}

}  // namespace
}  // namespace panbo
