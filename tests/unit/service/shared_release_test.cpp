// What somebody else had is lent to nobody.

#include "tests/unit/service/service_rig.h"

namespace panbo {
namespace {

using SharedReleaseTest = ServiceTest;

TEST_F(SharedReleaseTest, ABoThatWasSharedIsDestroyed) {
  const auto client = join();
  const Grant shared = client->must_alloc(kMiB);
  client->send(ReleaseRequest{.leases = {shared.lease}, .shared = true});
  EXPECT_EQ(stats().ready.count, 0u);
  EXPECT_EQ(client->must_alloc(kMiB).origin, Origin::kFresh);
}

TEST_F(SharedReleaseTest, OneThatIsBusyIsDestroyedWhenItsJobEnds) {
  const auto client = join();
  const Grant shared = client->must_alloc(kMiB);
  device_.bo(shared.bo.handle).busy = true;
  client->send(ReleaseRequest{.leases = {shared.lease}, .shared = true});
  EXPECT_EQ(stats().draining.count, 1u);
  finish_job(shared);
  EXPECT_EQ(stats().draining.count, 0u);
  EXPECT_EQ(stats().ready.count, 0u);
}

TEST_F(SharedReleaseTest, AllOfOneReleaseAreDestroyedAndNoOthers) {
  const auto client = join();
  const Grant own = client->must_alloc(kMiB);
  const Grant one = client->must_alloc(kMiB);
  const Grant two = client->must_alloc(kMiB);
  client->send(ReleaseRequest{.leases = {one.lease, two.lease}, .shared = true});
  client->release(own);
  EXPECT_EQ(stats().ready.count, 1u);
}

}  // namespace
}  // namespace panbo
