// What a client must not ask for.
#include "tests/unit/service/service_rig.h"

namespace panbo {
namespace {

class BadAllocTest : public ServiceTest, public testing::WithParamInterface<AllocItem> {};

TEST_P(BadAllocTest, IsRefusedAndLeavesTheClientConnected) {
  const auto client = join();
  client->send(AllocRequest{.items = {{.size = kMiB}, GetParam()}});
  EXPECT_EQ(client->failure(), FailureKind::kInvalidArgument);
  EXPECT_FALSE(client->closed);
  EXPECT_EQ(device_.bo_count(), 0u);
}

INSTANTIATE_TEST_SUITE_P(All, BadAllocTest,
                         testing::Values(AllocItem{.size = 0}, AllocItem{.size = kArenaBytes + 1},
                                         AllocItem{.size = UINT64_MAX}, AllocItem{.size = 1, .flags = 8},
                                         AllocItem{.size = 1, .flags = 3}, AllocItem{.size = 1, .flags = UINT32_MAX}));

TEST_F(ServiceTest, AnAllocOfNothingIsRefused) {
  const auto client = join();
  client->send(AllocRequest{});
  EXPECT_EQ(client->failure(), FailureKind::kInvalidArgument);
}

TEST_F(ServiceTest, TheLargestSizeIsAllowed) {
  const auto client = join();
  client->alloc({kArenaBytes});
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

}  // namespace
}  // namespace panbo
