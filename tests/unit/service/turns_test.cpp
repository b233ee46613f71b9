// What is long is done in pieces, and who pays for it.
#include "tests/unit/service/board_rig.h"
#include "tests/unit/service/service_rig.h"

namespace panbo {
namespace {

using namespace std::chrono_literals;

/// A port that hears answers, for a client whose works the test does piece by piece.
class QuietPort : public ClientPort {
 public:
  void reply(RequestId, ClientReply reply) override { replies.push_back(std::move(reply)); }
  void close() override {}
  std::span<LeaseWord> make_lease_table() override { return {}; }
  void ring() override {}
  std::vector<ClientReply> replies;
};

class ServiceTurnsTest : public BoardTest {
 protected:
  ServiceTurnsTest() {
    client_ = board_.connect({.uid = 1000}, port_);
    send(HelloRequest{.protocol_version = 1});
  }
  Price send(ClientRequest message) { return board_.handle(client_, RequestId{++request_}, std::move(message)); }
  std::vector<LeaseId> hoard(size_t count) {
    std::vector<LeaseId> leases;
    while (leases.size() < count) {
      send(AllocRequest{.items = std::vector<AllocItem>(50, {.size = 4096})});
      settle(board_);
      for (const Grant& grant : std::get<GrantedReply>(port_.replies.back()).grants) leases.push_back(grant.lease);
    }
    return leases;
  }

  QuietPort port_;
  ClientId client_;
  uint64_t request_ = 0;
};

TEST_F(ServiceTurnsTest, ALargeBatchIsMadeInPieces) {
  send(AllocRequest{.items = std::vector<AllocItem>(64, {.size = 200'000})});
  const int first = device_.creations();
  EXPECT_LT(first, 8);
  board_.run_turn();
  EXPECT_LT(device_.creations() - first, 16);
  settle(board_);
  EXPECT_EQ(device_.creations(), 64);
  EXPECT_EQ(std::get<GrantedReply>(port_.replies.back()).grants.size(), 64u);
}

TEST_F(ServiceTurnsTest, AnotherUserIsServedBetweenThePieces) {
  send(AllocRequest{.items = std::vector<AllocItem>(64, {.size = 200'000})});
  QuietPort other_port;
  const ClientId other = board_.connect({.uid = 2000}, other_port);
  board_.handle(other, RequestId{1}, HelloRequest{.protocol_version = 1});
  board_.handle(other, RequestId{2}, AllocRequest{.items = {{.size = 4096}}});
  EXPECT_TRUE(std::holds_alternative<GrantedReply>(other_port.replies.back()));
  EXPECT_LT(device_.creations(), 32);
  board_.disconnect(other);
}

TEST_F(ServiceTurnsTest, AReleaseOfManyIsWorkedOffBeforeTheNextMessage) {
  const auto leases = hoard(200);
  send(ReleaseRequest{leases});
  EXPECT_EQ(board_stats().ready.count, 8u);
  int pieces = 0;
  for (; board_.has_backlog(client_); ++pieces) {
    const uint64_t before = board_stats().ready.count;
    board_.work_off(client_);
    EXPECT_LE(board_stats().ready.count - before, 8u);
  }
  EXPECT_EQ(pieces, 24);
  EXPECT_EQ(board_stats().ready.count, 200u);
}

TEST_F(ServiceTurnsTest, AClientWithManyLeasesDepartsInPieces) {
  hoard(1000);
  const auto left = [this] { return board_stats().leased.count; };
  board_.disconnect(client_);
  EXPECT_EQ(left(), 1000u) << "nothing is done before its user's turn";
  int turns = 0;
  for (; !board_.turns().idle(); ++turns) {
    const uint64_t before = left();
    board_.run_turn();
    EXPECT_LE(before - left(), 24u);
  }
  EXPECT_GT(turns, 40);
  EXPECT_EQ(left(), 0u);
  EXPECT_EQ(board_stats().ready.count, 1000u);
}

TEST_F(ServiceTurnsTest, ASupplyCostsNoMoreHoweverManyRequestsWait) {
  const auto keeper = connect(3000);
  std::vector<Grant> kept;
  for (int i = 0; i < 4; ++i) kept.push_back(keeper->must_alloc(4096));
  const auto calls_of_a_release = [&] {
    const uint64_t before = device_.calls();
    keeper->release(kept.back());
    kept.pop_back();
    return device_.calls() - before;
  };
  const uint64_t alone = calls_of_a_release();
  std::vector<std::unique_ptr<FakeClient>> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(connect(2000));
    for (int j = 0; j < 25; ++j) {
      AllocRequest request{.items = std::vector<AllocItem>(60, {.size = 4096}), .timeout = 10s};
      request.items.push_back({.size = 1500 * kMiB});
      waiting.back()->send(request);
    }
  }
  EXPECT_EQ(calls_of_a_release(), alone);
}

TEST_F(ServiceTurnsTest, TheLastWaitingPlacesAreForUsersWhoHaveFew) {
  ServiceOptions limited = options(options_);
  limited.board_quota.requests = 32;
  limited.board_last_share.requests = 8;
  Service service(device_, &worker_, board_memory_, clock_, limited);
  FakeClient greedy(service, 1000);
  greedy.hello();
  for (int i = 0; i < 40; ++i) greedy.alloc({2000 * kMiB}, 10s);
  EXPECT_EQ(greedy.failure(), FailureKind::kOverQuota);
  FakeClient modest(service, 2000);
  modest.hello();
  modest.alloc({2000 * kMiB}, 10s);
  EXPECT_EQ(modest.last<FailureReply>(), nullptr);
}

TEST_F(ServiceTurnsTest, TheLastMemoryIsForUsersWhoHaveLittle) {
  ServiceOptions limited = options(options_);
  limited.room.total_max = limited.board_quota.bytes = 160 * kMiB;
  limited.board_last_share.bytes = 10 * kMiB;
  Service service(device_, nullptr, board_memory_, clock_, limited);
  FakeClient greedy(service, 1000);
  greedy.hello();
  for (int i = 0; i < 150; ++i) EXPECT_EQ(greedy.must_alloc(kMiB).origin, Origin::kFresh);
  greedy.alloc({kMiB});
  EXPECT_EQ(greedy.failure(), FailureKind::kOverQuota);
  FakeClient modest(service, 2000);
  modest.hello();
  EXPECT_EQ(modest.must_alloc(kMiB / 8).origin, Origin::kFresh);
}

TEST(WaitingUsersTest, fault_30_a_release_wakes_nobody_for_whom_it_is_too_little) {
  FakeClock clock;
  FakeDevice device;
  FakeMemory memory;
  ServiceOptions options;
  options.board_quota = kNoLimit;
  options.board_quota.bytes = 1000 * kMiB;
  Service service(device, nullptr, memory, clock, options);
  FakeClient holder(service, 1);
  holder.hello();
  const Grant held = holder.must_alloc(800 * kMiB);
  FakeClient honest(service, 2);
  honest.hello();
  const Grant small = honest.must_alloc(4096);
  std::vector<std::unique_ptr<FakeClient>> waiters;
  for (uint32_t uid = 10; uid < 15; ++uid) {
    waiters.push_back(std::make_unique<FakeClient>(service, uid));
    waiters.back()->hello();
    waiters.back()->alloc({450 * kMiB}, 1h);
    ASSERT_EQ(waiters.back()->last<FailureReply>(), nullptr);
  }
  QuietPort port;
  ASSERT_TRUE(service.turns().idle());
  {
    const ClientId client = service.connect({.uid = 3}, port);
    service.handle(client, RequestId{1}, HelloRequest{.protocol_version = 1});
    service.handle(client, RequestId{2}, AllocRequest{.items = {{.size = 4096}}});
    settle(service);
    service.handle(client, RequestId{3},
                   ReleaseRequest{{std::get<GrantedReply>(port.replies.back()).grants.at(0).lease}});
    EXPECT_TRUE(service.turns().idle()) << "somebody was woken";
    service.disconnect(client);
    settle(service);
  }
  // And whom it helps is served.
  holder.release(held);
  size_t served = 0;
  for (const auto& waiter : waiters) served += waiter->last<GrantedReply>() != nullptr;
  EXPECT_EQ(served, 2u);
  honest.release(small);
}

}  // namespace
}  // namespace panbo
