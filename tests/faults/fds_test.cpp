// Fds that cannot be sent, cannot be received, or travel the wrong way.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <random>
#include <thread>

#include "proto/limits.h"
#include "tests/faults/faults_test.h"
#include "tests/faults/plain_peer.h"
#include "tests/support/client.h"

namespace panbo {
namespace {

using FdsTest = FaultsTest;

constexpr uid_t kDaemonUser = 12346;
/// Room for all BOs of the quota, each of which costs the simulated device two.
constexpr rlim_t kFewFds = 4096;

/// A daemon with few fds and nobody's user, which is what the kernel needs to say ETOOMANYREFS.
class InFlightTest : public FaultsTest {
 protected:
  InFlightTest() : FaultsTest("", ::geteuid() == 0 ? as_a_user_with_few_fds : nullptr) {}

  static void as_a_user_with_few_fds(const std::string& directory) {
    const rlimit few{.rlim_cur = kFewFds, .rlim_max = kFewFds};
    if (::chown(directory.c_str(), kDaemonUser, kDaemonUser) != 0 || ::setrlimit(RLIMIT_NOFILE, &few) != 0 ||
        ::setgid(kDaemonUser) != 0 || ::setuid(kDaemonUser) != 0) {
      ::_exit(1);
    }
  }

  /// Another process of the daemon's user has more fds in flight than the daemon may have, until it is told to stop.
  static bool send_fds_that_nobody_receives(Child& test) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0) return false;
    const std::byte byte{};
    const std::vector<int> fds(limits::kMaxBatch, ends[0]);
    for (rlim_t sent = 0; sent <= kFewFds; sent += fds.size()) {
      if (!send_packet(ends[0], std::span(&byte, 1), fds, 0)) return false;
    }
    test.say();
    test.hear();
    // Its end takes them all out of flight.
    return true;
  }
};

TEST_F(InFlightTest, fault_02_a_grant_is_sent_when_too_many_references_have_passed) {
  SKIP_UNLESS_ROOT();
  WirePeer other = connect_and_greet("other");
  Child obstacle(send_fds_that_nobody_receives, kDaemonUser);
  obstacle.hear();
  WirePeer peer = connect_and_greet();
  wire::Envelope message = batch_of(8, 4096);
  message.set_request_id(7);
  peer.send(message);
  await_leased(8);
  // What needs no fds is answered as always, on every connection.
  EXPECT_EQ(code_of(other.alloc(0)), wire::FAILURE_INVALID_ARGUMENT);
  EXPECT_EQ(code_of(bystander_.alloc(0)), wire::FAILURE_INVALID_ARGUMENT);
  obstacle.say();
  EXPECT_TRUE(obstacle.wait());
  const FromDaemon answer = peer.receive();
  EXPECT_EQ(answer.fds.size(), 8u) << answer.message.failure().message();
  EXPECT_TRUE(other.alloc(4096).message.has_granted());
}

// It takes the ten seconds for which the daemon tries.
TEST_F(InFlightTest, fault_02_a_grant_that_can_never_be_sent_is_refused_and_nobody_is_disconnected) {
  SKIP_UNLESS_ROOT();
  WirePeer peer = connect_and_greet();
  Child obstacle(send_fds_that_nobody_receives, kDaemonUser);
  obstacle.hear();
  EXPECT_EQ(code_of(peer.alloc(4096)), wire::FAILURE_DEVICE);
  await_leased(0);
  EXPECT_EQ(clients().size(), 2u);
  EXPECT_EQ(logged("disconnected"), 0u);
  obstacle.say();
  EXPECT_TRUE(obstacle.wait());
  EXPECT_TRUE(peer.alloc(4096).message.has_granted());
}

TEST_F(FdsTest, fault_03_a_client_at_its_own_fd_limit_says_so_and_its_grants_are_revoked) {
  Child client([this](Child& test) {
    test::Client panbo("at its limit", daemon_.socket_path());
    panbo_bo* first = panbo.alloc(4096);
    // The last of them is above every gap.
    std::vector<UniqueFd> fillers(64);
    for (UniqueFd& filler : fillers) filler.reset(::dup(panbo_bo_get_fd(first)));
    rlimit old{};
    ::getrlimit(RLIMIT_NOFILE, &old);
    // Room for as many fds, and no more.
    const auto limit_to = [&](int fds) {
      const rlimit few{.rlim_cur = static_cast<rlim_t>(fillers.back().get() + 1 + fds), .rlim_max = old.rlim_max};
      ::setrlimit(RLIMIT_NOFILE, &few);
    };
    std::array<panbo_alloc_request, 8> requests{};
    for (auto& request : requests) {
      request.struct_size = sizeof(request);
      request.size = 8192;
    }
    std::array<panbo_bo*, 8> bos{};
    bool ok = true;
    for (const int fds : {0, 3, 7}) {
      limit_to(fds);
      const int got = panbo_bo_alloc_batch(panbo.get(), requests.data(), requests.size(), bos.data());
      ok = ok && got == -EMFILE;
    }
    test.say(ok ? 1 : 0);
    test.hear();
    limit_to(8);
    const int got = panbo_bo_alloc_batch(panbo.get(), requests.data(), requests.size(), bos.data());
    ok = ok && got == 0;
    test.say(ok ? 1 : 0);
    test.hear();
    panbo.release(first);
    return ok;
  });
  EXPECT_EQ(client.hear(), 1u) << "each is EMFILE";
  await_leased(1);
  client.say();
  EXPECT_EQ(client.hear(), 1u) << "with room for them they come";
  await_leased(9);
  client.say();
  EXPECT_TRUE(client.wait());
}

/// Asks for batches of many sizes; each fd that comes must be the one of its grant. Returns how many came.
uint64_t compare_fds_with_grants(WirePeer peer, unsigned seed) {
  std::mt19937 random(seed);
  uint64_t came = 0;
  for (int i = 0; i < 150; ++i) {
    wire::Envelope message;
    for (unsigned n = 1 + random() % 8; n > 0; --n) {
      message.mutable_alloc()->add_items()->set_size(4096 * (1 + random() % 64));
    }
    const FromDaemon answer = peer.ask(message);
    std::vector<uint64_t> leases;
    const auto& grants = answer.message.granted().grants();
    if (answer.fds.size() != static_cast<size_t>(grants.size())) throw std::runtime_error("not as many fds as grants");
    for (int g = 0; g < grants.size(); ++g) {
      struct stat status {};
      ::fstat(answer.fds[static_cast<size_t>(g)].get(), &status);
      if (status.st_ino != grants[g].inode() || static_cast<uint64_t>(status.st_size) != grants[g].size() ||
          grants[g].size() < message.alloc().items(g).size()) {
        throw std::runtime_error("the fd is another grant's");
      }
      leases.push_back(grants[g].lease_id());
      ++came;
    }
    if (!leases.empty()) peer.release(leases);
  }
  return came;
}

TEST_F(FdsTest, fault_05_every_fd_is_the_one_of_its_grant_among_failures) {
  constexpr unsigned kPeers = 6;
  std::array<std::optional<uint64_t>, kPeers> came;
  std::atomic<unsigned> working = kPeers;
  std::vector<std::thread> peers;
  for (unsigned i = 0; i < kPeers; ++i) {
    peers.emplace_back([&, i] {
      try {
        came[i] = compare_fds_with_grants(connect_and_greet("peer " + std::to_string(i)), i);
      } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
      }
      --working;
    });
  }
  // And one that has none of this project's code.
  std::thread plain([&] { EXPECT_EQ(plain_peer("grants", daemon_.socket_path()), 0); });
  // Each fault has a while to be met, and the retries that follow from it to end.
  for (int i = 0; working > 0; ++i) {
    constexpr std::pair<const char*, int> kFaults[] = {{"create", ENOMEM}, {"create", EIO},    {"export", EMFILE},
                                                       {"watch", EIO},     {"evictable", EIO}, {"unevictable", ENOMEM}};
    const auto& [call, error] = kFaults[i % std::size(kFaults)];
    fail_next(call, error, 1);
    for (int n = 0; n < 20; ++n) admin_.stats();
  }
  for (std::thread& peer : peers) peer.join();
  plain.join();
  for (const auto& n : came) EXPECT_GT(n.value_or(0), 0u);
}

TEST_F(FdsTest, fault_06_one_fd_more_than_the_kernel_allows_is_an_error_of_the_senders) {
  EXPECT_EQ(plain_peer("fds", daemon_.socket_path()), 0);
  EXPECT_EQ(logged("sent file descriptors"), 3u);
}

TEST_F(FdsTest, fault_07_a_client_that_sends_fds_changes_nothing) {
  const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  wire::Envelope valid;
  valid.mutable_alloc()->add_items()->set_size(4096);
  const std::string packet = valid.SerializeAsString();
  for (int i = 0; i < 50; ++i) {
    WirePeer peer = connect_and_greet();
    WirePeer never_greeted = connect();
    const std::vector<int> mixed{file.get(), peer.socket(), never_greeted.socket(), file.get()};
    peer.send_raw(std::as_bytes(std::span(packet)), mixed);
    never_greeted.send_raw(std::as_bytes(std::span(packet)), mixed);
    peer.await_end();
    never_greeted.await_end();
  }
  EXPECT_EQ(admin_.stats().leased().count(), 0u) << "the request that came with them is not served";
}

}  // namespace
}  // namespace panbo
