// The lease table's promises, by going through every interleaving of what its two sides do.

#include "proto/lease_table.h"

#include <gtest/gtest.h>

#include <functional>
#include <tuple>
#include <vector>

namespace panbo {
namespace {

constexpr uint32_t kUnusedAtFirst = next_unused(0);

TEST(LeaseTableTest, EveryStayHasAWordOfItsOwn) {
  LeaseWord lease{0};
  LeaseWord watched{1};
  bool wake = false;
  const uint32_t first = free_lease(lease, 0, watched, wake);
  ASSERT_TRUE(use_lease(lease, first));
  const uint32_t second = free_lease(lease, with_use(first, LeaseUse::kInUse), watched, wake);
  EXPECT_NE(first, second);
  EXPECT_FALSE(take_lease(lease, first));
  EXPECT_TRUE(take_lease(lease, second));
}

TEST(LeaseTableTest, WhatTheDaemonTookTheClientCannotUse) {
  LeaseWord lease{kUnusedAtFirst};
  ASSERT_TRUE(take_lease(lease, kUnusedAtFirst));
  EXPECT_FALSE(use_lease(lease, kUnusedAtFirst));
  EXPECT_EQ(lease_use(look_at_lease(lease)), LeaseUse::kTaken);
}

TEST(LeaseTableTest, TheDaemonTakesOnlyWhatIsUnused) {
  LeaseWord lease{0};
  EXPECT_FALSE(take_lease(lease, look_at_lease(lease)));
  lease = with_use(0, LeaseUse::kTaken);
  EXPECT_FALSE(take_lease(lease, look_at_lease(lease)));
}

TEST(LeaseTableTest, TheGenerationWrapsIntoNoState) {
  const uint32_t last = with_use(UINT32_MAX, LeaseUse::kInUse);
  EXPECT_EQ(next_unused(last), static_cast<uint32_t>(LeaseUse::kUnused));
}

/// One side's steps, each of them one access to the shared memory. Makes all orders in which two sides' steps can come.
using Step = std::function<void()>;

void interleave(const std::vector<Step>& a, const std::vector<Step>& b, const Step& reset, const Step& check,
                std::vector<const Step*>& order, size_t in_a, size_t in_b) {
  if (in_a == a.size() && in_b == b.size()) {
    reset();
    for (const Step* step : order) (*step)();
    check();
    return;
  }
  if (in_a < a.size()) {
    order.push_back(&a[in_a]);
    interleave(a, b, reset, check, order, in_a + 1, in_b);
    order.pop_back();
  }
  if (in_b < b.size()) {
    order.push_back(&b[in_b]);
    interleave(a, b, reset, check, order, in_a, in_b + 1);
    order.pop_back();
  }
}

void in_all_orders(const std::vector<Step>& a, const std::vector<Step>& b, const Step& reset, const Step& check) {
  std::vector<const Step*> order;
  interleave(a, b, reset, check, order, 0, 0);
}

// The steps are written out here as the functions of lease_table.h make them: they are one access each but for
// free_lease(), and an interleaving of whole functions would show nothing.
struct Shared {
  uint32_t lease = 0;
  uint32_t watched = 1;
};

TEST(LeaseTableTest, ALeaseHasOneWinner) {
  LeaseWord lease;
  uint32_t seen = 0;
  bool used = false;
  bool taken = false;
  in_all_orders(
      {[&] { used = use_lease(lease, kUnusedAtFirst); }},
      {[&] { seen = look_at_lease(lease); }, [&] { taken = take_lease(lease, seen); }},
      [&] {
        lease = kUnusedAtFirst;
        used = taken = false;
      },
      [&] { EXPECT_NE(used, taken); });
}

TEST(LeaseTableTest, ALeaseThatWasUsedInBetweenIsNotTaken) {
  LeaseWord lease;
  LeaseWord watched{1};
  uint32_t seen = 0;
  bool used_after_look = false;
  bool looked = false;
  bool used = false;
  bool taken = false;
  bool wake = false;
  in_all_orders(
      {[&] {
         used = use_lease(lease, kUnusedAtFirst);
         used_after_look = looked && used;
       },
       [&] {
         if (used) {
           std::ignore = free_lease(lease, with_use(kUnusedAtFirst, LeaseUse::kInUse), watched, wake);
         }
       }},
      {[&] {
         seen = look_at_lease(lease);
         looked = true;
       },
       [&] { taken = take_lease(lease, seen); }},
      [&] {
        lease = kUnusedAtFirst;
        used_after_look = looked = used = taken = false;
      },
      [&] { EXPECT_FALSE(used_after_look && taken); });
}

// The daemon goes to sleep while the client frees its only lease: either the daemon's last look sees it, or the client
// sees that it has to send LeasesUnused.
TEST(LeaseTableTest, NoUnusedLeaseIsForgotten) {
  Shared shared;
  bool wake = false;
  bool daemon_saw = false;
  const std::vector<Step> client = {
      [&] { shared.lease = kUnusedAtFirst; },
      [&] { wake = shared.watched == 0; },
  };
  const std::vector<Step> daemon = {
      [&] { shared.watched = 0; },
      [&] { daemon_saw = lease_use(shared.lease) == LeaseUse::kUnused; },
  };
  in_all_orders(
      client, daemon,
      [&] {
        shared = {};
        wake = daemon_saw = false;
      },
      [&] { EXPECT_TRUE(wake || daemon_saw); });
}

// Why those accesses are seq_cst: with stores that may be seen late, which is all that release stores promise, there is
// an order in which nobody notices. The test shows that it would be found.
TEST(LeaseTableTest, WithStoresThatAreSeenLateAnUnusedLeaseIsForgotten) {
  Shared shared;
  bool wake = false;
  bool daemon_saw = false;
  int forgotten = 0;
  const std::vector<Step> client = {
      [&] { wake = shared.watched == 0; },
      [&] { shared.lease = kUnusedAtFirst; },
  };
  const std::vector<Step> daemon = {
      [&] { daemon_saw = lease_use(shared.lease) == LeaseUse::kUnused; },
      [&] { shared.watched = 0; },
  };
  in_all_orders(
      client, daemon,
      [&] {
        shared = {};
        wake = daemon_saw = false;
      },
      [&] { forgotten += wake || daemon_saw ? 0 : 1; });
  EXPECT_GT(forgotten, 0);
}

TEST(LeaseTableTest, OneOfTwoFreesSaysThatThereIsSomethingUnused) {
  LeaseWord a{0};
  LeaseWord b{0};
  LeaseWord watched{0};
  bool first = false;
  bool second = false;
  std::ignore = free_lease(a, 0, watched, first);
  std::ignore = free_lease(b, 0, watched, second);
  EXPECT_TRUE(first);
  EXPECT_FALSE(second);
}

}  // namespace
}  // namespace panbo
