#include "daemon/service/service.h"

#include <gtest/gtest.h>

#include "daemon/service/alloc_flags.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_device.h"
#include "tests/support/fake_memory.h"
#include "tests/support/fake_worker.h"

namespace panbo {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

/// A client at the other end of a wire without length: keeps what it was told.
class FakeClient : public ClientPort {
 public:
  FakeClient(Service& service, uint32_t uid) : service_(service), id_(service.connect({.uid = uid, .pid = 7}, *this)) {}
  ~FakeClient() override { leave(); }

  void send(ClientRequest message) { service_.handle(id_, RequestId{++request_}, std::move(message)); }
  void hello() { send(HelloRequest{.protocol_version = 1, .name = "fake"}); }
  void leave() { service_.disconnect(id_); }

  /// Asks for BOs of these sizes; the answer, if there is one yet, is in replies.back().
  void alloc(std::vector<uint64_t> sizes, Duration timeout = {}, uint32_t flags = 0) {
    AllocRequest request{.timeout = timeout};
    for (const uint64_t size : sizes) request.items.push_back({.size = size, .flags = flags});
    send(std::move(request));
  }
  /// A BO that must be had at once.
  Grant must_alloc(uint64_t size) {
    alloc({size});
    return std::get<GrantedReply>(replies.back()).grants.at(0);
  }
  void release(const Grant& grant) { send(ReleaseRequest{{grant.lease}}); }

  template <class Reply>
  const Reply* last() const {
    return replies.empty() ? nullptr : std::get_if<Reply>(&replies.back());
  }
  [[nodiscard]] FailureKind failure() const { return std::get<FailureReply>(replies.back()).kind; }

  void reply(RequestId request, ClientReply reply) override {
    answered.push_back(request);
    replies.push_back(std::move(reply));
  }
  void close() override { closed = true; }

  std::vector<RequestId> answered;
  std::vector<ClientReply> replies;
  bool closed = false;

 private:
  Service& service_;
  ClientId id_;
  uint64_t request_ = 0;
};

class ServiceTest : public testing::Test {
 protected:
  std::unique_ptr<FakeClient> join(uint32_t uid = 1000) {
    auto client = std::make_unique<FakeClient>(service_, uid);
    client->hello();
    return client;
  }
  Stats stats() { return std::get<Stats>(service_.handle_admin(StatsRequest{})); }
  void finish_job(const Grant& grant) {
    for (const BoId id : device_.finish_job(grant.bo.handle)) service_.on_idle(id);
  }

  FakeClock clock_;
  FakeDevice device_;
  FakeMemory memory_;
  std::vector<Shortage> shortages_;
  ServiceOptions options_{.client_quota = {.bytes = 5000 * kMiB, .bos = 100, .requests = 64, .fds = 128},
                          .user_quota = {.bytes = 5000 * kMiB, .bos = 150, .requests = 100, .fds = 1024},
                          .on_shortage = [this](const Shortage& s) { shortages_.push_back(s); }};
  Service service_{device_, nullptr, memory_, clock_, options_};
};

TEST_F(ServiceTest, LendsAFreshBoAndThenTheSameAgainFromTheCache) {
  const auto first = join();
  const Grant fresh = first->must_alloc(kMiB);
  EXPECT_EQ(fresh.origin, Origin::kFresh);
  first->release(fresh);
  const auto second = join();
  const Grant cached = second->must_alloc(kMiB);
  EXPECT_EQ(cached.origin, Origin::kCached);
  EXPECT_EQ(cached.bo.handle, fresh.bo.handle);
  EXPECT_NE(cached.lease, fresh.lease);
  EXPECT_EQ(stats().leased, (Amount{1, kMiB}));
  EXPECT_EQ(stats().requests, 2u);
  EXPECT_EQ(stats().cached, 1u);
  EXPECT_EQ(stats().fresh, 1u);
}

TEST_F(ServiceTest, ABusyBoIsNotLentBeforeItsJobEnds) {
  const auto client = join();
  const Grant busy = client->must_alloc(kMiB);
  device_.bo(busy.bo.handle).busy = true;
  client->release(busy);
  EXPECT_NE(client->must_alloc(kMiB).bo.handle, busy.bo.handle);
  finish_job(busy);
  EXPECT_EQ(client->must_alloc(kMiB).bo.handle, busy.bo.handle);
}

TEST_F(ServiceTest, AnotherUserNeverGetsIt) {
  const auto client = join(1000);
  client->release(client->must_alloc(kMiB));
  EXPECT_EQ(join(2000)->must_alloc(kMiB).origin, Origin::kFresh);
}

TEST_F(ServiceTest, TakesEverythingBackFromAClientThatLeaves) {
  auto client = join();
  client->must_alloc(kMiB);
  client->must_alloc(2 * kMiB);
  client.reset();
  EXPECT_EQ(stats().leased, Amount{});
  EXPECT_EQ(stats().ready, (Amount{2, 3 * kMiB}));
}

TEST_F(ServiceTest, GrantsABatchWholeOrNotAtAll) {
  device_.memory_limit = 3 * kMiB;
  const auto client = join();
  client->alloc({kMiB, kMiB});
  ASSERT_NE(client->last<GrantedReply>(), nullptr);
  EXPECT_EQ(client->last<GrantedReply>()->grants.size(), 2u);
  client->alloc({kMiB, kMiB});
  EXPECT_EQ(client->failure(), FailureKind::kOutOfMemory);
  EXPECT_EQ(stats().leased, (Amount{2, 2 * kMiB}));
  EXPECT_EQ(stats().failed, 2u);
}

TEST_F(ServiceTest, SaysWhoHoldsTheMemoryThatIsMissing) {
  device_.memory_limit = 3 * kMiB;
  const auto holder = join(1000);
  holder->must_alloc(2 * kMiB);
  const auto asker = join(2000);
  asker->alloc({2 * kMiB});
  ASSERT_EQ(shortages_.size(), 1u);
  EXPECT_EQ(shortages_[0].asked_bytes, 2 * kMiB);
  EXPECT_EQ(shortages_[0].client.peer.uid, 2000u);
  ASSERT_EQ(shortages_[0].largest_holders.size(), 2u);
  EXPECT_EQ(shortages_[0].largest_holders[0].peer.uid, 1000u);
}

TEST_F(ServiceTest, WaitsForABusyBoUpToTheDeadlineIfAllowed) {
  device_.memory_limit = 2 * kMiB;
  const auto client = join();
  const Grant busy = client->must_alloc(2 * kMiB);
  device_.bo(busy.bo.handle).busy = true;
  client->release(busy);
  const size_t before = client->replies.size();
  client->alloc({2 * kMiB}, std::chrono::seconds(1));
  EXPECT_EQ(client->replies.size(), before);
  finish_job(busy);
  ASSERT_EQ(client->replies.size(), before + 1);
  EXPECT_EQ(client->last<GrantedReply>()->grants.at(0).origin, Origin::kWaited);
  EXPECT_EQ(stats().waited, 1u);
  EXPECT_EQ(service_.next_deadline(), std::nullopt);
}

TEST_F(ServiceTest, GivesUpAtTheDeadline) {
  device_.memory_limit = kMiB;
  const auto client = join();
  client->must_alloc(kMiB);
  client->alloc({kMiB}, std::chrono::seconds(1));
  EXPECT_EQ(service_.next_deadline(), clock_.now() + std::chrono::seconds(1));
  clock_.advance(std::chrono::seconds(1));
  service_.tick();
  EXPECT_EQ(client->failure(), FailureKind::kTimedOut);
  EXPECT_EQ(service_.next_deadline(), std::nullopt);
}

TEST_F(ServiceTest, ServesThoseWhoWaitInTheOrderInWhichTheyCame) {
  device_.memory_limit = kMiB;
  const auto holder = join();
  const Grant held = holder->must_alloc(kMiB);
  const auto first = join();
  const auto second = join();
  first->alloc({kMiB}, std::chrono::seconds(1));
  second->alloc({kMiB}, std::chrono::seconds(1));
  holder->release(held);
  EXPECT_NE(first->last<GrantedReply>(), nullptr);
  EXPECT_EQ(second->last<GrantedReply>(), nullptr);
}

TEST_F(ServiceTest, ALargeRequestThatWaitsDoesNotHoldUpASmallOneThatFits) {
  device_.memory_limit = 4 * kMiB;
  const auto holder = join();
  const Grant small = holder->must_alloc(kMiB);
  holder->must_alloc(3 * kMiB);
  const auto large = join(2000);
  large->alloc({4 * kMiB}, std::chrono::seconds(1));
  const auto modest = join();
  modest->alloc({kMiB}, std::chrono::seconds(1));
  holder->release(small);
  EXPECT_NE(modest->last<GrantedReply>(), nullptr);
  EXPECT_EQ(large->last<GrantedReply>(), nullptr);
}

TEST_F(ServiceTest, BoundsWhatAClientCanKeepWaiting) {
  device_.memory_limit = 0;
  const auto client = join();
  for (int i = 0; i < 64; ++i) client->alloc({kMiB}, std::chrono::seconds(1));
  EXPECT_EQ(client->last<FailureReply>(), nullptr);
  client->alloc({kMiB}, std::chrono::seconds(1));
  EXPECT_EQ(client->failure(), FailureKind::kOverQuota);
}

TEST_F(ServiceTest, BoundsWhatAUserCanKeepWaiting) {
  device_.memory_limit = 0;
  const auto one = join();
  const auto two = join();
  const auto other = join(2000);
  for (int i = 0; i < 50; ++i) {
    one->alloc({kMiB}, std::chrono::seconds(1));
    two->alloc({kMiB}, std::chrono::seconds(1));
  }
  two->alloc({kMiB}, std::chrono::seconds(1));
  EXPECT_EQ(two->failure(), FailureKind::kOverQuota);
  other->alloc({kMiB}, std::chrono::seconds(1));
  EXPECT_EQ(other->last<FailureReply>(), nullptr);
}

TEST_F(ServiceTest, SaysWhoseQuotaIsFull) {
  const auto one = join();
  const auto two = join();
  for (int i = 0; i < 100; ++i) one->must_alloc(4096);
  one->alloc({4096});
  EXPECT_EQ(one->failure(), FailureKind::kOverQuota);
  EXPECT_NE(one->last<FailureReply>()->message.find("client 1"), std::string::npos);
  for (int i = 0; i < 50; ++i) two->must_alloc(4096);
  two->alloc({4096});
  EXPECT_NE(two->last<FailureReply>()->message.find("uid 1000"), std::string::npos);
}

TEST_F(ServiceTest, WaitsForItsQuotaIfItMayButNotForWhatItCanNeverHave) {
  const auto client = join();
  std::vector<Grant> grants;
  for (int i = 0; i < 100; ++i) grants.push_back(client->must_alloc(4096));
  client->alloc({4096}, std::chrono::seconds(1));
  const size_t before = client->replies.size();
  client->release(grants[0]);
  ASSERT_EQ(client->replies.size(), before + 1);
  EXPECT_NE(client->last<GrantedReply>(), nullptr);
  client->alloc({3000 * kMiB, 3000 * kMiB}, std::chrono::seconds(1));
  EXPECT_EQ(client->failure(), FailureKind::kOverQuota);
}

TEST_F(ServiceTest, UnderPressureTheCacheGoesAndTheClientsAreTold) {
  const auto client = join();
  std::vector<Grant> grants;
  for (int i = 0; i < 4; ++i) grants.push_back(client->must_alloc(kMiB));
  for (const Grant& grant : grants) client->release(grant);
  service_.on_pressure(Pressure::kSome);
  EXPECT_EQ(stats().ready, (Amount{2, 2 * kMiB}));
  ASSERT_NE(client->last<PressureEvent>(), nullptr);
  EXPECT_EQ(client->answered.back(), RequestId{0});
  service_.on_pressure(Pressure::kFull);
  EXPECT_EQ(stats().ready, Amount{});
  EXPECT_EQ(client->last<PressureEvent>()->pressure, Pressure::kFull);
}

class ServiceWithWorkerTest : public ServiceTest {
 protected:
  ServiceWithWorkerTest() {
    worker_.on_created = [this](BoId id, const Result<DeviceBo>& result) { with_worker_.on_created(id, result); };
  }
  Amount ready() { return std::get<Stats>(with_worker_.handle_admin(StatsRequest{})).ready; }

  FakeWorker worker_{device_};
  Service with_worker_{device_, &worker_, memory_, clock_, options_};
  FakeClient client_{with_worker_, 1000};
};

TEST_F(ServiceWithWorkerTest, AHitIsNotDelayedByALargeRequestBeforeIt) {
  client_.hello();
  client_.release(client_.must_alloc(4096));
  client_.alloc({256 * kMiB});
  client_.alloc({4096});
  ASSERT_EQ(client_.answered.size(), 3u);
  EXPECT_EQ(client_.last<GrantedReply>()->grants[0].origin, Origin::kCached);
  worker_.work_all();
  EXPECT_EQ(client_.last<GrantedReply>()->grants[0].origin, Origin::kFresh);
}

TEST_F(ServiceWithWorkerTest, ABatchIsAnsweredWhenItsLastBoIsThere) {
  client_.hello();
  client_.alloc({4096, kMiB, 2 * kMiB});
  worker_.work();
  EXPECT_EQ(client_.last<GrantedReply>(), nullptr);
  worker_.work();
  ASSERT_NE(client_.last<GrantedReply>(), nullptr);
  EXPECT_EQ(client_.last<GrantedReply>()->grants.size(), 3u);
}

TEST_F(ServiceWithWorkerTest, ABatchThatFailsHalfwayLeavesWhatCameLaterInTheCache) {
  client_.hello();
  device_.create_failures = {Errno{EIO}};
  client_.alloc({kMiB, 2 * kMiB});
  worker_.work_all();
  EXPECT_EQ(client_.failure(), FailureKind::kDevice);
  EXPECT_EQ(client_.answered.size(), 2u);
  EXPECT_EQ(ready(), (Amount{1, 2 * kMiB}));
}

TEST_F(ServiceWithWorkerTest, AClientThatVanishedMeanwhileLeaksNothing) {
  {
    FakeClient short_lived(with_worker_, 1000);
    short_lived.hello();
    short_lived.alloc({kMiB});
  }
  worker_.work_all();
  EXPECT_EQ(ready(), (Amount{1, kMiB}));
}

TEST_F(ServiceWithWorkerTest, ARequestThatTheWorkerCouldNotServeWaitsAndIsServedLater) {
  device_.memory_limit = 2 * kMiB;
  client_.hello();
  client_.alloc({2 * kMiB});
  worker_.work_all();
  const Grant grant = client_.last<GrantedReply>()->grants[0];
  client_.alloc({kMiB}, std::chrono::seconds(1));
  worker_.work_all();
  EXPECT_EQ(client_.answered.size(), 2u);
  client_.release(grant);
  worker_.work_all();
  ASSERT_EQ(client_.answered.size(), 3u);
  EXPECT_EQ(client_.last<GrantedReply>()->grants[0].origin, Origin::kWaited);
}

TEST_F(ServiceWithWorkerTest, ARequestThatWaitsDoesNotWakeItselfByWhatItGivesBack) {
  device_.memory_limit = 3 * kMiB;
  client_.hello();
  AllocRequest request{.items = {{.size = kMiB, .flags = kAllocZeroed}, {.size = 4 * kMiB}},
                       .timeout = std::chrono::seconds(1)};
  client_.send(request);
  int jobs = 0;
  while (jobs < 100 && worker_.work()) ++jobs;
  EXPECT_LT(jobs, 100);
  EXPECT_EQ(client_.answered.size(), 1u) << "it waits";
}

TEST_F(ServiceTest, ForgetsTheRequestsOfAClientThatLeft) {
  device_.memory_limit = 0;
  auto client = join();
  client->alloc({kMiB}, std::chrono::seconds(1));
  client.reset();
  EXPECT_EQ(service_.next_deadline(), std::nullopt);
}

TEST_F(ServiceTest, AnEndlessTimeoutIsNoOverflow) {
  device_.memory_limit = 0;
  const auto client = join();
  client->alloc({kMiB}, Duration::max());
  EXPECT_EQ(service_.next_deadline(), Time::max());
}

class BadAllocTest : public ServiceTest, public testing::WithParamInterface<AllocItem> {};

TEST_P(BadAllocTest, IsRefusedAndLeavesTheClientConnected) {
  const auto client = join();
  client->send(AllocRequest{.items = {{.size = kMiB}, GetParam()}});
  EXPECT_EQ(client->failure(), FailureKind::kInvalidArgument);
  EXPECT_FALSE(client->closed);
  EXPECT_EQ(device_.bo_count(), 0u);
}

INSTANTIATE_TEST_SUITE_P(All, BadAllocTest,
                         testing::Values(AllocItem{.size = 0}, AllocItem{.size = FakeDevice::kArenaBytes + 1},
                                         AllocItem{.size = UINT64_MAX}, AllocItem{.size = 1, .flags = 8},
                                         AllocItem{.size = 1, .flags = 3}, AllocItem{.size = 1, .flags = UINT32_MAX}));

TEST_F(ServiceTest, AnAllocOfNothingIsRefused) {
  const auto client = join();
  client->send(AllocRequest{});
  EXPECT_EQ(client->failure(), FailureKind::kInvalidArgument);
}

TEST_F(ServiceTest, TheLargestSizeIsAllowed) {
  const auto client = join();
  client->alloc({FakeDevice::kArenaBytes});
  EXPECT_NE(client->last<GrantedReply>(), nullptr);
}

TEST_F(ServiceTest, ALeaseOfSomebodyElseCannotBeReleased) {
  const auto owner = join();
  const auto thief = join();
  const Grant grant = owner->must_alloc(kMiB);
  thief->release(grant);
  EXPECT_EQ(thief->failure(), FailureKind::kUnknownLease);
  EXPECT_EQ(stats().leased, (Amount{1, kMiB}));
}

TEST_F(ServiceTest, ALeaseCannotBeReleasedTwice) {
  const auto client = join();
  const Grant grant = client->must_alloc(kMiB);
  client->send(ReleaseRequest{{grant.lease, grant.lease}});
  EXPECT_EQ(client->failure(), FailureKind::kUnknownLease);
  EXPECT_EQ(stats().ready, (Amount{1, kMiB}));
}

TEST_F(ServiceTest, HelloComesFirst) {
  FakeClient client(service_, 1000);
  client.alloc({kMiB});
  EXPECT_EQ(client.failure(), FailureKind::kProtocol);
  EXPECT_TRUE(client.closed);
}

TEST_F(ServiceTest, HelloComesOnce) {
  const auto client = join();
  client->hello();
  EXPECT_EQ(client->failure(), FailureKind::kProtocol);
  EXPECT_TRUE(client->closed);
}

TEST_F(ServiceTest, AClientWithoutACommonVersionIsSentAway) {
  FakeClient client(service_, 1000);
  client.send(HelloRequest{.protocol_version = 0});
  EXPECT_EQ(client.failure(), FailureKind::kVersion);
  EXPECT_TRUE(client.closed);
}

TEST_F(ServiceTest, ANewerClientIsWelcomeInOurVersion) {
  FakeClient client(service_, 1000);
  client.send(HelloRequest{.protocol_version = 7});
  ASSERT_NE(client.last<WelcomeReply>(), nullptr);
  EXPECT_EQ(client.last<WelcomeReply>()->protocol_version, 1u);
}

TEST_F(ServiceTest, ListsItsClients) {
  const auto client = join(1234);
  client->must_alloc(kMiB);
  const auto reply = std::get<ClientsReply>(service_.handle_admin(ClientsRequest{}));
  ASSERT_EQ(reply.clients.size(), 1u);
  EXPECT_EQ(reply.clients[0].name, "fake");
  EXPECT_EQ(reply.clients[0].peer.uid, 1234u);
  EXPECT_EQ(reply.clients[0].leased, (Amount{1, kMiB}));
}

TEST_F(ServiceTest, EvictsAsTheAdministratorSays) {
  const auto client = join(1000);
  const auto other = join(2000);
  const Grant a = client->must_alloc(kMiB);
  const Grant b = other->must_alloc(2 * kMiB);
  client->release(a);
  other->release(b);
  const auto evict = [this](const EvictRequest& what) {
    return std::get<EvictedReply>(service_.handle_admin(what)).evicted;
  };
  EXPECT_EQ(evict(EvictUid{2000}), (Amount{1, 2 * kMiB}));
  EXPECT_EQ(evict(EvictBytes{1}), (Amount{1, kMiB}));
  EXPECT_EQ(evict(EvictAll{}), Amount{});
  EXPECT_EQ(stats().evicted, (Amount{2, 3 * kMiB}));
}

}  // namespace
}  // namespace panbo
