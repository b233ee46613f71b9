// What libpanbo keeps, and a real daemon: who takes it back and when, and what becomes of it when the daemon dies.
#include <panbo.h>
#include <sys/mman.h>

#include <csignal>

#include "tests/integration/panbod_test.h"
#include "tests/support/client.h"

namespace panbo {
namespace {

using test::Client;
using test::inode_of;

class KeptLeasesTest : public PanbodTest {
 protected:
  [[nodiscard]] Client client(uint32_t flags = 0) const { return Client("client", daemon_.socket_path(), flags); }

  static panbo_stats stats_of(const Client& client) {
    panbo_stats stats{};
    stats.struct_size = sizeof(stats);
    EXPECT_EQ(panbo_client_get_stats(client.get(), &stats), 0);
    return stats;
  }
};

TEST_F(KeptLeasesTest, AHitIsNoneOfTheDaemonsBusiness) {
  Client one = client();
  panbo_bo* bo = one.alloc(kMiB);
  const uint64_t inode = inode_of(bo);
  one.release(bo, PANBO_RELEASE_IDLE);
  EXPECT_EQ(admin_.stats().leased().count(), 1u);
  bo = one.alloc(kMiB);
  EXPECT_EQ(panbo_bo_get_origin(bo), PANBO_ORIGIN_LOCAL);
  EXPECT_EQ(inode_of(bo), inode);
}

// The test calls nothing meanwhile: it is the library's thread that gives back.
TEST_F(KeptLeasesTest, WhatIsNotUsedGoesBackByItself) {
  Client one = client();
  panbo_bo* used = one.alloc(kMiB);
  for (const uint64_t size : {kMiB, 2 * kMiB, 3 * kMiB}) one.release(one.alloc(size), PANBO_RELEASE_IDLE);
  await("the unused leases are back", [this] { return admin_.stats().leased().count() == 1; });
  await("nothing is kept", [&] { return stats_of(one).kept_count == 0; });
  EXPECT_EQ(stats_of(one).leased_count, 1u);
  one.release(used);
}

TEST_F(KeptLeasesTest, WhatAnAdministratorEvictsGoesBackAtOnce) {
  Client one = client();
  one.release(one.alloc(kMiB), PANBO_RELEASE_IDLE);
  admin_.evict_all();
  await("nothing is kept", [&] { return stats_of(one).kept_count == 0; });
  await("nothing is leased", [this] { return admin_.stats().leased().count() == 0; });
}

TEST_F(KeptLeasesTest, AQuotaCountsWhatIsKeptOnlyUntilItIsNeeded) {
  Client one = client();
  one.release(one.alloc(kMiB), PANBO_RELEASE_IDLE);
  wire::Simulate what;
  what.set_memory_limit(2 * kMiB);
  ASSERT_TRUE(admin_.simulate(what).has_simulated());
  EXPECT_NE(one.alloc(2 * kMiB), nullptr);
}

TEST_F(KeptLeasesTest, AProgramGoesOnWhenItsDaemonIsKilled) {
  Client one = client();
  panbo_bo* bo = one.alloc(kMiB);
  one.release(one.alloc(2 * kMiB), PANBO_RELEASE_IDLE);
  void* memory = nullptr;
  ASSERT_EQ(panbo_bo_map(bo, &memory), 0);
  *static_cast<char*>(memory) = 'p';
  daemon_.stop(SIGKILL);
  EXPECT_EQ(*static_cast<char*>(memory), 'p');
  panbo_bo* none = nullptr;
  EXPECT_EQ(one.try_alloc(3 * kMiB, &none), -ENOTCONN);
  daemon_.start();
  await("the new daemon serves", [&] { return one.try_alloc(3 * kMiB, &none) == 0; });
  WirePeer admin(daemon_.admin_socket_path());
  EXPECT_EQ(admin.stats().leased().count(), 1u);
  EXPECT_EQ(*static_cast<char*>(memory), 'p');
  one.release(bo);
  one.release(none, PANBO_RELEASE_IDLE);
  EXPECT_EQ(panbo_bo_get_origin(one.alloc(3 * kMiB)), PANBO_ORIGIN_LOCAL);
  EXPECT_EQ(stats_of(one).fresh, 3u);
}

}  // namespace
}  // namespace panbo
