// Quotas where the arithmetic could go wrong: at the limit itself, one beyond it, and with sums that no number holds.
#include "proto/limits.h"
#include "tests/faults/faults_test.h"

namespace panbo {
namespace {

constexpr uint64_t kQuotaOfBytes = 8 * kMiB;

class QuotaTest : public FaultsTest {
 protected:
  QuotaTest() : FaultsTest("client.bytes = 8388608\nuser.bytes = 12582912\n") {}

  static wire::FailureCode ask_for(WirePeer& peer, uint64_t size) { return code_of(peer.alloc(size)); }
};

TEST_F(QuotaTest, fault_18_the_quota_itself_can_be_had_and_one_page_more_cannot) {
  WirePeer peer = connect_and_greet();
  EXPECT_EQ(ask_for(peer, kQuotaOfBytes + 1), wire::FAILURE_OVER_QUOTA);
  const FromDaemon all = peer.alloc(kQuotaOfBytes);
  ASSERT_TRUE(all.message.has_granted()) << all.message.failure().message();
  for (const uint64_t size : {uint64_t{1}, uint64_t{4096}, kQuotaOfBytes, uint64_t{1} << 31}) {
    EXPECT_EQ(ask_for(peer, size), wire::FAILURE_OVER_QUOTA) << size;
  }
  // The user has half of it left, for another of its clients.
  WirePeer sibling = connect_and_greet();
  EXPECT_EQ(ask_for(sibling, kQuotaOfBytes / 2 + 1), wire::FAILURE_OVER_QUOTA);
  EXPECT_TRUE(sibling.alloc(kQuotaOfBytes / 2).message.has_granted());
  EXPECT_EQ(ask_for(sibling, 1), wire::FAILURE_OVER_QUOTA);
}

TEST_F(QuotaTest, fault_18_sums_that_no_number_holds_are_over_the_quota) {
  WirePeer peer = connect();
  const uint64_t largest = peer.hello().max_bo_size();
  for (const uint64_t size : {largest, largest - 1, largest / 2, (UINT64_MAX / limits::kMaxBatch) + 1}) {
    const wire::FailureCode code = code_of(peer.ask(batch_of(limits::kMaxBatch, size)));
    EXPECT_EQ(code, size > largest ? wire::FAILURE_INVALID_ARGUMENT : wire::FAILURE_OVER_QUOTA) << size;
  }
  wire::Envelope extra = batch_of(limits::kMaxBatch, 4096);
  for (wire::AllocItem& item : *extra.mutable_alloc()->mutable_items()) item.set_extra(UINT32_MAX);
  extra.mutable_alloc()->set_timeout_ns(UINT64_MAX);
  EXPECT_TRUE(peer.ask(extra).message.has_granted());
}

TEST_F(QuotaTest, fault_18_what_is_refused_and_what_is_given_back_leaves_the_quota_whole) {
  WirePeer peer = connect_and_greet();
  for (int i = 0; i < 200; ++i) {
    // Two of three fit: all or nothing, and nothing of what fitted stays charged.
    EXPECT_EQ(code_of(peer.ask(batch_of(3, 3 * kMiB))), wire::FAILURE_OVER_QUOTA);
    const FromDaemon some = peer.ask(batch_of(2, 128 * 1024));
    ASSERT_TRUE(some.message.has_granted()) << some.message.failure().message();
    peer.release({some.message.granted().grants(0).lease_id(), some.message.granted().grants(1).lease_id()});
  }
  await_leased(0);
  await("what was released is idle", [this] { return admin_.stats().held().count() == 0; });
  EXPECT_TRUE(peer.alloc(kQuotaOfBytes).message.has_granted());
}

}  // namespace
}  // namespace panbo
