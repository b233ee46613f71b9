// What one user's requests may cost another, and a request that cannot be served anybody: counted on the real panbod.
// What animals of the zoo notice of each other is in zoo.py.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <functional>
#include <optional>
#include <thread>

#include "tests/support/await.h"
#include "tests/support/client.h"
#include "tests/support/panbod_process.h"
#include "tests/support/wire_peer.h"

namespace panbo {
namespace {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;
constexpr uint64_t kGiB = 1024 * kMiB;
constexpr uid_t kOtherUser = 64301;
constexpr std::chrono::hours kForEver(1);

wire::Envelope batch(size_t count, uint64_t size, uint32_t flags = 0, std::chrono::nanoseconds timeout = {}) {
  wire::Envelope message;
  message.mutable_alloc()->set_timeout_ns(static_cast<uint64_t>(timeout.count()));
  for (size_t i = 0; i < count; ++i) {
    message.mutable_alloc()->add_items()->set_size(size);
    message.mutable_alloc()->mutable_items(static_cast<int>(i))->set_flags(flags);
  }
  return message;
}

std::vector<uint64_t> leases_of(const FromDaemon& answer) {
  std::vector<uint64_t> leases;
  for (const auto& grant : answer.message.granted().grants()) leases.push_back(grant.lease_id());
  return leases;
}

/// A process of another user, which says when it is done with each of its steps and is told to go on.
class OtherUser {
 public:
  explicit OtherUser(const std::function<bool(OtherUser&)>& life, uid_t uid = kOtherUser) {
    int to_child[2];
    int to_parent[2];
    if (::pipe2(to_child, O_CLOEXEC) != 0 || ::pipe2(to_parent, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    pid_ = ::fork();
    read_ = pid_ == 0 ? to_child[0] : to_parent[0];
    write_ = pid_ == 0 ? to_parent[1] : to_child[1];
    ::close(pid_ == 0 ? to_child[1] : to_parent[1]);
    ::close(pid_ == 0 ? to_parent[0] : to_child[0]);
    if (pid_ != 0) return;
    bool good = false;
    try {
      good = ::setresgid(uid, uid, uid) == 0 && ::setresuid(uid, uid, uid) == 0 && life(*this);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "the other user: %s\n", error.what());
    }
    ::_exit(good ? 0 : 1);
  }
  ~OtherUser() {
    ::close(read_);
    ::close(write_);
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  }
  OtherUser(const OtherUser&) = delete;
  OtherUser& operator=(const OtherUser&) = delete;

  void say() const {
    if (::write(write_, "", 1) != 1) throw std::runtime_error("nobody listens");
  }
  /// False if the other side is gone.
  [[nodiscard]] bool hear() const {
    char byte;
    return ::read(read_, &byte, 1) == 1;
  }
  /// Whether its life ended well.
  [[nodiscard]] bool ended_well() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return status == 0;
  }

 private:
  pid_t pid_ = -1;
  int read_ = -1;
  int write_ = -1;
};

class FairnessTest : public testing::Test {
 protected:
  void start(const std::string& settings, const std::string& device = "sim") {
    daemon_.emplace(device, settings);
    ASSERT_EQ(::chmod(daemon_->directory().c_str(), 0755), 0);
    admin_.emplace(daemon_->admin_socket_path());
  }

  void TearDown() override {
    if (HasFailure() && daemon_) std::printf("panbod's log:\n%s", daemon_->log().c_str());
  }

  [[nodiscard]] WirePeer connect(const std::string& name = "test") const {
    WirePeer peer(daemon_->socket_path());
    peer.hello(name);
    return peer;
  }

  /// What was made for anybody, whatever became of it.
  uint64_t made() {
    const wire::Stats stats = admin_->stats();
    return stats.leased().count() + stats.draining().count() + stats.held().count() + stats.ready().count() +
           stats.evicted().count();
  }

  void fail_next(const std::string& call, int error, uint32_t times) {
    wire::Simulate what;
    what.mutable_fault()->set_call(call);
    what.mutable_fault()->set_error(error);
    what.mutable_fault()->set_times(times);
    ASSERT_TRUE(admin_->simulate(what).has_simulated());
  }

  /// So many BOs of that size are ready.
  void make_ready(WirePeer& peer, size_t count, uint64_t size) {
    const FromDaemon answer = peer.ask(batch(count, size));
    ASSERT_TRUE(answer.message.has_granted()) << answer.message.failure().message();
    peer.release(leases_of(answer));
    // Not before the fds are closed.
    const_cast<FromDaemon&>(answer).fds.clear();
    await("they are ready", [&] { return admin_->stats().ready().count() >= count; });
  }

  std::optional<PanbodProcess> daemon_;
  std::optional<WirePeer> admin_;
};

#define SKIP_UNLESS_ROOT() \
  if (::geteuid() != 0) GTEST_SKIP() << "NOT TESTED: only root can be two users"

/// Takes BOs of that size until it gets no more, and keeps them.
size_t take_all(WirePeer& peer, uint64_t size) {
  size_t taken = 0;
  while (peer.ask(batch(1, size)).message.has_granted()) ++taken;
  return taken;
}

TEST_F(FairnessTest, fault_30_a_user_who_has_all_the_memory_leaves_some_for_another) {
  SKIP_UNLESS_ROOT();
  start("total.max = \"256MiB\"\ncache.max = \"64MiB\"");
  WirePeer greedy = connect("greedy");
  EXPECT_GE(take_all(greedy, kMiB), 128u);
  OtherUser modest([&](OtherUser&) { return connect("modest").alloc(kMiB).message.has_granted(); });
  EXPECT_TRUE(modest.ended_well());
}

TEST_F(FairnessTest, fault_30_two_users_who_have_all_the_addresses_leave_some_for_a_third) {
  SKIP_UNLESS_ROOT();
  start("");
  const auto greedy_life = [&](OtherUser& self) {
    std::vector<WirePeer> peers;
    size_t taken = 0;
    for (int i = 0; i < 4; ++i) {
      peers.push_back(connect("greedy"));
      // A heap costs little memory, and addresses in full.
      while (peers.back().ask(batch(1, 64 * kMiB, wire::ALLOC_FLAG_HEAP)).message.has_granted()) ++taken;
    }
    self.say();
    return taken > 100 && !self.hear();
  };
  OtherUser first(greedy_life, kOtherUser);
  OtherUser second(greedy_life, kOtherUser + 1);
  ASSERT_TRUE(first.hear());
  ASSERT_TRUE(second.hear());
  OtherUser third(
      [&](OtherUser&) { return connect("modest").alloc(256 * kMiB, wire::ALLOC_FLAG_HEAP).message.has_granted(); },
      kOtherUser + 2);
  EXPECT_TRUE(third.ended_well());
}

TEST_F(FairnessTest, fault_30_churn_of_one_user_leaves_the_others_cache_alone) {
  SKIP_UNLESS_ROOT();
  start("cache.max = \"64MiB\"\ncache.headroom = 0\ncache.decay = \"10min\"\npressure.enabled = false");
  constexpr size_t kCount = 16;
  OtherUser modest([&](OtherUser& self) {
    WirePeer peer = connect("modest");
    peer.release(leases_of(peer.ask(batch(kCount, 64 * kKiB))));
    self.say();
    if (!self.hear()) return false;
    const FromDaemon again = peer.ask(batch(kCount, 64 * kKiB));
    size_t cached = 0;
    for (const auto& grant : again.message.granted().grants()) cached += grant.origin() == wire::ORIGIN_CACHED;
    std::printf("%zu of %zu are still there\n", cached, kCount);
    return cached == kCount;
  });
  ASSERT_TRUE(modest.hear());
  await("its BOs are ready", [&] { return admin_->stats().ready().count() == kCount; });
  WirePeer churner = connect("churner");
  for (uint64_t round = 1; round <= 8; ++round) {
    // Each of another size: none is found in the cache.
    churner.release(leases_of(churner.ask(batch(64, 256 * kKiB + round * 16 * kKiB))));
  }
  await("the churn has gone through the cache", [&] { return admin_->stats().evicted().count() >= 200; });
  modest.say();
  EXPECT_TRUE(modest.ended_well());
}

TEST_F(FairnessTest, fault_31_an_executable_that_fits_nowhere_costs_nobody_anything) {
  start("");
  WirePeer bystander = connect("bystander");
  make_ready(bystander, 8, 64 * kKiB);
  WirePeer peer = connect();
  for (const std::chrono::nanoseconds timeout : {std::chrono::nanoseconds(0), std::chrono::nanoseconds(kForEver)}) {
    for (int i = 0; i < 10; ++i) {
      const FromDaemon answer = peer.ask(batch(1, 2 * kGiB, wire::ALLOC_FLAG_EXECUTABLE, timeout));
      ASSERT_TRUE(answer.message.has_failure());
      EXPECT_NE(answer.message.failure().message(), "");
    }
  }
  EXPECT_EQ(admin_->stats().ready().count(), 8u);
  EXPECT_EQ(admin_->stats().evicted().count(), 0u);
}

TEST_F(FairnessTest, fault_31_a_batch_that_fits_no_quota_is_refused_and_not_made) {
  start("client.bytes = \"1GiB\"");
  WirePeer peer = connect();
  WirePeer bystander = connect("bystander");
  make_ready(bystander, 8, 64 * kKiB);
  for (const std::chrono::nanoseconds timeout : {std::chrono::nanoseconds(0), std::chrono::nanoseconds(kForEver)}) {
    const FromDaemon answer = peer.ask(batch(18, 60 * kMiB, 0, timeout));
    EXPECT_EQ(answer.message.failure().code(), wire::FAILURE_OVER_QUOTA) << answer.message.ShortDebugString();
  }
  // One after the other: what was asked for before is there now, if it was made at all.
  ASSERT_TRUE(peer.alloc(kMiB).message.has_granted());
  EXPECT_EQ(made(), 8u + 1u);
  EXPECT_EQ(admin_->stats().ready().count(), 8u);
}

TEST_F(FairnessTest, fault_31_a_batch_beyond_the_boards_memory_is_refused_and_not_made) {
  start("total.max = \"1GiB\"\ncache.max = \"256MiB\"");
  WirePeer bystander = connect("bystander");
  make_ready(bystander, 8, 64 * kKiB);
  WirePeer peer = connect();
  EXPECT_TRUE(peer.ask(batch(8, 256 * kMiB)).message.has_failure());
  EXPECT_TRUE(peer.ask(batch(8, 256 * kMiB, 0, kForEver)).message.has_failure());
  ASSERT_TRUE(peer.alloc(kMiB).message.has_granted());
  EXPECT_EQ(made(), 8u + 1u);
  EXPECT_EQ(admin_->stats().ready().count(), 8u);
}

TEST_F(FairnessTest, fault_33_what_is_asked_back_and_destroyed_reaches_who_asked) {
  start("total.max = \"100MiB\"\ncache.max = \"50MiB\"\nlocal.decay = \"1h\"\ncache.headroom = 0", "sim:clear");
  // Keeps what it releases, and has a thread that gives it back.
  test::Client keeper("keeper", daemon_->socket_path(), 0);
  panbo_bo* kept = keeper.alloc(64 * kMiB);
  keeper.release(kept, PANBO_RELEASE_IDLE);
  test::Client asker("asker", daemon_->socket_path());
  panbo_bo* bo = nullptr;
  EXPECT_EQ(asker.try_alloc(60 * kMiB, &bo), 0) << "although the memory is there, and is nobody's";
  panbo_bo_release(bo, 0);
}

TEST_F(FairnessTest, fault_33_what_is_evicted_reaches_who_asked) {
  start("total.max = \"100MiB\"\ncache.max = \"100MiB\"\ncache.headroom = 0", "sim:clear");
  WirePeer peer = connect();
  for (uint64_t size = 40; size < 43; ++size) {
    // Each time what is ready has to go, and the worker has still to destroy it.
    FromDaemon answer = peer.alloc(2 * size * kMiB);
    ASSERT_TRUE(answer.message.has_granted()) << answer.message.failure().message();
    // What is still open when it is released is held for a moment, and charged.
    answer.fds.clear();
    peer.release(leases_of(answer));
  }
}

TEST_F(FairnessTest, fault_33_a_creation_that_fails_wakes_who_waits_for_its_quota) {
  start("client.bytes = \"64MiB\"\ncache.max = \"16MiB\"", "sim:clear");
  WirePeer peer = connect();
  fail_next("create", EIO, 1);
  wire::Envelope first = batch(1, 64 * kMiB);
  first.set_request_id(101);
  wire::Envelope second = batch(1, 60 * kMiB, 0, kForEver);
  second.set_request_id(102);
  peer.send(first);
  peer.send(second);
  for (int i = 0; i < 2; ++i) {
    const FromDaemon answer = peer.receive();
    EXPECT_EQ(answer.message.has_granted(), answer.message.request_id() == 102) << answer.message.ShortDebugString();
  }
}

TEST_F(FairnessTest, fault_33_memory_that_comes_free_reaches_who_waits) {
  start("total.max = \"100MiB\"\ncache.max = \"50MiB\"\ncache.headroom = 0", "sim:clear");
  WirePeer holder = connect("holder");
  FromDaemon held = holder.alloc(80 * kMiB);
  ASSERT_TRUE(held.message.has_granted());
  WirePeer peer = connect();
  wire::Envelope request = batch(1, 60 * kMiB, 0, kForEver);
  request.set_request_id(101);
  peer.send(request);
  // A round trip later it waits.
  ASSERT_TRUE(peer.alloc(kMiB).message.has_granted());
  holder.release(leases_of(held));
  held.fds.clear();
  const FromDaemon answer = peer.receive();
  EXPECT_TRUE(answer.message.has_granted()) << answer.message.ShortDebugString();
}

// Made and destroyed by the worker, in two processes at once: neither is refused what the other has given back.
TEST_F(FairnessTest, fault_33_nobody_is_refused_what_the_other_gives_back) {
  start("total.max = \"100MiB\"\ncache.max = \"100MiB\"\ncache.headroom = 0", "sim:clear");
  const auto life = [&](uint64_t size) {
    WirePeer peer = connect();
    for (int i = 0; i < 5; ++i) {
      FromDaemon answer = peer.alloc(size, 0, kForEver);
      if (!answer.message.has_granted()) return false;
      peer.release(leases_of(answer));
    }
    return true;
  };
  bool first = false;
  bool second = false;
  std::thread one([&] { first = life(70 * kMiB); });
  std::thread other([&] { second = life(60 * kMiB); });
  one.join();
  other.join();
  EXPECT_TRUE(first);
  EXPECT_TRUE(second);
}

TEST_F(FairnessTest, fault_34_a_folder_that_a_user_has_locked_keeps_no_daemon_from_starting) {
  SKIP_UNLESS_ROOT();
  start("");
  daemon_->stop();
  OtherUser locker([&](OtherUser& self) {
    const int folder = ::open(daemon_->directory().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || ::flock(folder, LOCK_EX | LOCK_NB) != 0) return false;
    self.say();
    return !self.hear();
  });
  ASSERT_TRUE(locker.hear());
  daemon_->start();
  EXPECT_TRUE(connect().alloc(kMiB).message.has_granted());
}

}  // namespace
}  // namespace panbo
