#include "client/lib/client.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/fake_daemon.h"
#include "tests/support/fds.h"

namespace panbo::test {
namespace {

ino_t inode_of(int fd) {
  struct stat status;
  return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

panbo_alloc_request request_of(uint64_t size) {
  return {.struct_size = sizeof(panbo_alloc_request), .size = size};
}

panbo_stats stats_of(panbo_client* client) {
  panbo_stats stats{.struct_size = sizeof(stats)};
  EXPECT_EQ(panbo_client_get_stats(client, &stats), 0);
  return stats;
}

class ClientTest : public testing::Test {
 protected:
  ~ClientTest() override { panbo_client_close(client_); }

  void connect() {
    const panbo_client_options options{
        .struct_size = sizeof(options), .socket_path = daemon_.socket_path().c_str(), .name = "test"};
    ASSERT_EQ(panbo_client_connect(&options, &client_), 0);
  }

  // One grant for lease 1, of `size` or what was asked for, changed as the test wants it.
  void lend(std::function<void(wire::Grant&)> change, uint64_t size = 0) {
    daemon_.follow([=](FakeDaemon::Peer& peer, const wire::Envelope& request) {
      if (!request.has_alloc()) return false;
      std::vector<UniqueFd> fds;
      fds.push_back(make_memfd(size != 0 ? size : request.alloc().items(0).size()));
      wire::Envelope answer;
      answer.set_request_id(request.request_id());
      wire::Grant& grant = *answer.mutable_granted()->add_grants();
      grant = describe(fds[0].get(), 1);
      if (change) change(grant);
      peer.send(answer, borrow(fds));
      return true;
    });
  }

  int alloc(uint64_t size, panbo_bo** out) {
    const panbo_alloc_request request = request_of(size);
    return panbo_bo_alloc(client_, &request, out);
  }

  bool released(std::vector<uint64_t> leases) {
    return daemon_.becomes([&](const FakeDaemon::Seen& seen) { return seen.released == leases; });
  }

  FakeDaemon daemon_;
  panbo_client* client_ = nullptr;
};

TEST_F(ClientTest, IntroducesItself) {
  connect();
  const auto seen = daemon_.seen();
  ASSERT_EQ(seen.requests.size(), 1u);
  EXPECT_EQ(seen.requests[0].hello().protocol_version(), 1u);
  EXPECT_EQ(seen.requests[0].hello().name(), "test");
}

TEST_F(ClientTest, LendsABoUntilItIsReleased) {
  connect();
  panbo_bo* bo = nullptr;
  ASSERT_EQ(alloc(5000, &bo), 0);
  EXPECT_EQ(panbo_bo_get_size(bo), 8192u);
  EXPECT_EQ(panbo_bo_get_origin(bo), PANBO_ORIGIN_FRESH);
  EXPECT_NE(inode_of(panbo_bo_get_fd(bo)), 0u);
  EXPECT_EQ(panbo_bo_wait(bo, 0), 0);
  EXPECT_EQ(panbo_bo_release(bo, 0), 0);
  EXPECT_TRUE(released({101}));
}

TEST_F(ClientTest, AsksForWhatTheCallerAskedFor) {
  connect();
  const panbo_alloc_request requests[] = {
      {.struct_size = sizeof(panbo_alloc_request), .flags = PANBO_BO_ZEROED, .size = 1, .timeout_ns = 7, .label = "a"},
      {.struct_size = sizeof(panbo_alloc_request), .flags = PANBO_BO_HEAP, .size = 2, .timeout_ns = 9},
      {.struct_size = sizeof(panbo_alloc_request), .flags = PANBO_BO_EXECUTABLE, .size = 3, .timeout_ns = 8}};
  panbo_bo* bos[3];
  ASSERT_EQ(panbo_bo_alloc_batch(client_, requests, 3, bos), 0);
  const wire::Alloc alloc = daemon_.seen().requests.at(1).alloc();
  EXPECT_EQ(alloc.timeout_ns(), 9u);
  ASSERT_EQ(alloc.items_size(), 3);
  EXPECT_EQ(alloc.items(0).label(), "a");
  EXPECT_EQ(alloc.items(0).flags(), static_cast<uint32_t>(wire::ALLOC_FLAG_ZEROED));
  EXPECT_EQ(alloc.items(1).flags(), static_cast<uint32_t>(wire::ALLOC_FLAG_HEAP));
  EXPECT_EQ(alloc.items(2).flags(), static_cast<uint32_t>(wire::ALLOC_FLAG_EXECUTABLE));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(alloc.items(i).size(), static_cast<uint64_t>(i + 1));
}

TEST_F(ClientTest, CountsWhatItHasAndGot) {
  connect();
  panbo_bo* bos[2];
  ASSERT_EQ(alloc(4096, &bos[0]), 0);
  ASSERT_EQ(alloc(8192, &bos[1]), 0);
  daemon_.follow([](FakeDaemon::Peer& peer, const wire::Envelope& request) {
    if (request.has_alloc()) peer.fail(request.request_id(), wire::FAILURE_OUT_OF_MEMORY);
    return request.has_alloc();
  });
  panbo_bo* none = nullptr;
  ASSERT_EQ(alloc(4096, &none), -ENOMEM);
  EXPECT_EQ(none, nullptr);
  ASSERT_EQ(panbo_bo_release(bos[0], PANBO_RELEASE_IDLE), 0);
  const panbo_stats stats = stats_of(client_);
  EXPECT_EQ(stats.leased_count, 1u);
  EXPECT_EQ(stats.leased_bytes, 8192u);
  EXPECT_EQ(stats.fresh, 2u);
  EXPECT_EQ(stats.cached + stats.waited + stats.local + stats.direct, 0u);
  EXPECT_EQ(stats.failed, 1u);
}

TEST_F(ClientTest, TellsWhereABoCameFrom) {
  const std::pair<int, uint32_t> origins[] = {
      {wire::ORIGIN_FRESH, PANBO_ORIGIN_FRESH},
      {wire::ORIGIN_CACHED, PANBO_ORIGIN_CACHED},
      {wire::ORIGIN_WAITED, PANBO_ORIGIN_WAITED},
      // Nothing is known about the contents.
      {wire::ORIGIN_UNKNOWN, PANBO_ORIGIN_CACHED},
      {1000, PANBO_ORIGIN_CACHED},
  };
  connect();
  for (const auto& [sent, told] : origins) {
    lend([origin = sent](wire::Grant& grant) { grant.set_origin(static_cast<wire::Origin>(origin)); });
    panbo_bo* bo = nullptr;
    ASSERT_EQ(alloc(4096, &bo), 0);
    EXPECT_EQ(panbo_bo_get_origin(bo), told);
  }
}

TEST_F(ClientTest, TurnsEveryFailureIntoItsErrno) {
  const std::pair<int, int> failures[] = {
      {wire::FAILURE_UNKNOWN, EIO},
      {wire::FAILURE_INVALID_ARGUMENT, EINVAL},
      {wire::FAILURE_TIMED_OUT, ETIMEDOUT},
      {wire::FAILURE_OUT_OF_MEMORY, ENOMEM},
      {wire::FAILURE_OVER_QUOTA, EDQUOT},
      {wire::FAILURE_NOT_PERMITTED, EACCES},
      {wire::FAILURE_UNKNOWN_LEASE, ENOENT},
      {wire::FAILURE_PROTOCOL, EPROTO},
      {wire::FAILURE_NOT_SUPPORTED, EOPNOTSUPP},
      {wire::FAILURE_VERSION, EPROTONOSUPPORT},
      {wire::FAILURE_DEVICE, EIO},
      {wire::FailureCode_MAX + 1, EIO},
  };
  EXPECT_EQ(std::size(failures), static_cast<size_t>(wire::FailureCode_ARRAYSIZE) + 1);
  connect();
  for (const auto& [code, error] : failures) {
    daemon_.follow([code = code](FakeDaemon::Peer& peer, const wire::Envelope& request) {
      if (request.has_alloc()) peer.fail(request.request_id(), static_cast<wire::FailureCode>(code));
      return request.has_alloc();
    });
    panbo_bo* bo = nullptr;
    EXPECT_EQ(alloc(4096, &bo), -error) << "code " << code;
    EXPECT_EQ(bo, nullptr);
  }
}

TEST_F(ClientTest, RefusesAnFdThatIsNotTheGrantedOne) {
  connect();
  lend([](wire::Grant& grant) { grant.set_inode(grant.inode() + 1); });
  const int fds = open_fds();
  panbo_bo* bo = nullptr;
  EXPECT_EQ(alloc(4096, &bo), -EPROTO);
  EXPECT_EQ(bo, nullptr);
  EXPECT_TRUE(released({1}));
  EXPECT_EQ(open_fds(), fds);
}

TEST_F(ClientTest, RefusesAnFdOfAnotherSize) {
  connect();
  lend([](wire::Grant& grant) { grant.set_size(grant.size() * 2); });
  panbo_bo* bo = nullptr;
  EXPECT_EQ(alloc(4096, &bo), -EPROTO);
  EXPECT_TRUE(released({1}));
}

TEST_F(ClientTest, RefusesABoThatIsTooSmall) {
  connect();
  lend({}, 4096);
  panbo_bo* bo = nullptr;
  EXPECT_EQ(alloc(4097, &bo), -EPROTO);
  EXPECT_TRUE(released({1}));
}

TEST_F(ClientTest, RefusesFewerFdsThanGrants) {
  connect();
  daemon_.follow([](FakeDaemon::Peer& peer, const wire::Envelope& request) {
    if (!request.has_alloc()) return false;
    std::vector<UniqueFd> fds;
    fds.push_back(make_memfd(4096));
    wire::Envelope answer;
    answer.set_request_id(request.request_id());
    for (uint64_t lease : {1, 2}) *answer.mutable_granted()->add_grants() = describe(fds[0].get(), lease);
    peer.send(answer, borrow(fds));
    return true;
  });
  const panbo_alloc_request requests[] = {request_of(4096), request_of(4096)};
  const int fds = open_fds();
  panbo_bo* bos[2] = {};
  EXPECT_EQ(panbo_bo_alloc_batch(client_, requests, 2, bos), -EPROTO);
  EXPECT_EQ(bos[0], nullptr);
  EXPECT_EQ(bos[1], nullptr);
  EXPECT_TRUE(released({1, 2}));
  EXPECT_EQ(open_fds(), fds);
}

TEST_F(ClientTest, RefusesMoreFdsThanGrants) {
  connect();
  daemon_.follow([](FakeDaemon::Peer& peer, const wire::Envelope& request) {
    if (!request.has_alloc()) return false;
    const UniqueFd fd = make_memfd(4096);
    wire::Envelope answer;
    answer.set_request_id(request.request_id());
    *answer.mutable_granted()->add_grants() = describe(fd.get(), 1);
    peer.send(answer, {fd.get(), fd.get()});
    return true;
  });
  const int fds = open_fds();
  panbo_bo* bo = nullptr;
  EXPECT_EQ(alloc(4096, &bo), -EPROTO);
  EXPECT_TRUE(released({1}));
  EXPECT_EQ(open_fds(), fds);
}

TEST_F(ClientTest, RefusesAnotherNumberOfGrantsThanItAskedFor) {
  connect();
  lend({});
  const panbo_alloc_request requests[] = {request_of(4096), request_of(4096)};
  panbo_bo* bos[2];
  EXPECT_EQ(panbo_bo_alloc_batch(client_, requests, 2, bos), -EPROTO);
  EXPECT_TRUE(released({1}));
}

TEST_F(ClientTest, GivesBackWhatItHasNoFdsFor) {
  connect();
  panbo_bo* bo = nullptr;
  ASSERT_EQ(alloc(4096, &bo), 0);
  EXPECT_EQ(panbo_bo_release(bo, 0), 0);
  // By then the daemon has closed its fd, too.
  ASSERT_TRUE(released({101}));
  bo = nullptr;
  const UniqueFd lent = make_memfd(4096);
  // The daemon is in this process, too, and must not need fds of its own.
  daemon_.follow([&](FakeDaemon::Peer& peer, const wire::Envelope& request) {
    if (!request.has_alloc()) return false;
    wire::Envelope answer;
    answer.set_request_id(request.request_id());
    *answer.mutable_granted()->add_grants() = describe(lent.get(), 7);
    peer.send(answer, {lent.get()});
    return true;
  });
  {
    const NoMoreFds none;
    EXPECT_EQ(alloc(4096, &bo), -EMFILE);
  }
  EXPECT_EQ(bo, nullptr);
  EXPECT_TRUE(released({101, 7}));
  daemon_.stop();
}

TEST_F(ClientTest, HearsOfTheDaemonsDeath) {
  connect();
  panbo_bo* bo = nullptr;
  ASSERT_EQ(alloc(4096, &bo), 0);
  daemon_.stop();
  panbo_bo* none = nullptr;
  EXPECT_EQ(alloc(4096, &none), -ENOTCONN);
  EXPECT_EQ(panbo_client_dispatch(client_, -1), -ENOTCONN);
  // The memory is still there.
  EXPECT_NE(inode_of(panbo_bo_get_fd(bo)), 0u);
  // And there is nobody to tell.
  EXPECT_EQ(panbo_bo_release(bo, 0), 0);
  EXPECT_EQ(stats_of(client_).leased_count, 0u);
}

TEST_F(ClientTest, EndsTheConnectionOverAnAnswerThatMakesNoSense) {
  connect();
  daemon_.follow([](FakeDaemon::Peer& peer, const wire::Envelope& request) {
    if (!request.has_alloc()) return false;
    wire::Envelope answer;
    answer.set_request_id(request.request_id());
    answer.mutable_welcome();
    peer.send(answer);
    return true;
  });
  panbo_bo* bo = nullptr;
  EXPECT_EQ(alloc(4096, &bo), -EPROTO);
  EXPECT_TRUE(daemon_.becomes([](const FakeDaemon::Seen& seen) { return seen.disconnects == 1; }));
  daemon_.follow(nullptr);
  EXPECT_EQ(alloc(4096, &bo), 0) << "over a new one";
}

TEST_F(ClientTest, GivesEverythingBackWhenItIsClosed) {
  const int fds = open_fds();
  connect();
  panbo_bo* bos[2];
  ASSERT_EQ(alloc(4096, &bos[0]), 0);
  ASSERT_EQ(alloc(4096, &bos[1]), 0);
  panbo_client_close(std::exchange(client_, nullptr));
  EXPECT_TRUE(daemon_.becomes([](const FakeDaemon::Seen& seen) { return seen.disconnects == 1; }));
  EXPECT_EQ(open_fds(), fds);
}

TEST_F(ClientTest, AllocatesAWholeBatch) {
  connect();
  std::vector<panbo_alloc_request> requests(limits::kMaxBatch, request_of(4096));
  const std::string long_label(1000, 'x');
  for (auto& request : requests) request.label = long_label.c_str();
  std::vector<panbo_bo*> bos(requests.size());
  ASSERT_EQ(panbo_bo_alloc_batch(client_, requests.data(), requests.size(), bos.data()), 0);
  EXPECT_EQ(stats_of(client_).leased_count, limits::kMaxBatch);
  EXPECT_NE(inode_of(panbo_bo_get_fd(bos.front())), inode_of(panbo_bo_get_fd(bos.back())));
}

}  // namespace
}  // namespace panbo::test
