// Who else holds a BO, and whether the kernel may take its pages. Ways to hold one that need no GPU (an fd, one in
// flight, a mapping) are the same for all devices and are here; the rest is the rig's.

#include <sys/socket.h>

#include "proto/packet.h"
#include "tests/support/device_contract.h"
#include "tests/support/fds.h"

namespace panbo::test {
namespace {

using Ids = std::vector<BoId>;

TEST_P(DeviceContract, ABoWithoutJobsIsIdleAndOnlyOurs) {
  const Bo bo = make();
  const auto usage = device().watch(bo.id, bo.device);
  ASSERT_TRUE(usage);
  EXPECT_EQ(*usage, Usage::kIdle);
  EXPECT_EQ(*device().holders(bo.id), Holders::kOnlyUs);
  EXPECT_FALSE(is_readable(device().event_fd()));
  EXPECT_EQ(take_idle(), Ids());
}

TEST_P(DeviceContract, ABoThatWasLentAndCameBackIsOnlyOurs) {
  const Bo bo = make();
  for (int i = 0; i < 3; ++i) {
    fd_of(bo).reset();
    rig_->import(fd_of(bo).get()).reset();
    ASSERT_TRUE(device().watch(bo.id, bo.device));
    EXPECT_EQ(*device().holders(bo.id), Holders::kOnlyUs);
    device().unwatch(bo.id);
  }
}

TEST_P(DeviceContract, AnFdOfSomebodyElseIsSeen) {
  const Bo bo = make();
  UniqueFd kept = fd_of(bo);
  ASSERT_TRUE(device().watch(bo.id, bo.device));
  EXPECT_EQ(*device().holders(bo.id), Holders::kOthersToo);
  kept.reset();
  EXPECT_EQ(*device().holders(bo.id), Holders::kOnlyUs);
}

TEST_P(DeviceContract, AnFdInFlightIsSeen) {
  const Bo bo = make();
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd sender(ends[0]);
  UniqueFd receiver(ends[1]);
  {
    const UniqueFd fd = fd_of(bo);
    const int borrowed[] = {fd.get()};
    ASSERT_TRUE(send_packet(sender.get(), std::as_bytes(std::span("x")), borrowed, 0));
  }
  ASSERT_TRUE(device().watch(bo.id, bo.device));
  EXPECT_EQ(*device().holders(bo.id), Holders::kOthersToo);
  receiver.reset();
  EXPECT_EQ(*device().holders(bo.id), Holders::kOnlyUs);
}

TEST_P(DeviceContract, AMappingOfTheFdIsSeenAfterTheFdIsClosed) {
  const Bo bo = make();
  auto mapping = std::make_unique<Mapping>(fd_of(bo), 4096);
  ASSERT_TRUE(device().watch(bo.id, bo.device));
  EXPECT_EQ(*device().holders(bo.id), Holders::kOthersToo);
  mapping.reset();
  EXPECT_EQ(*device().holders(bo.id), Holders::kOnlyUs);
}

TEST_P(DeviceContract, AnImportIsSeenAndForbidsEvictable) {
  const Bo bo = make();
  auto import = rig_->import(fd_of(bo).get());
  ASSERT_TRUE(device().watch(bo.id, bo.device));
  EXPECT_EQ(*device().holders(bo.id), Holders::kOthersToo);
  EXPECT_EQ(*device().make_evictable(bo.device), Holders::kOthersToo);
  import.reset();
  EXPECT_EQ(*device().holders(bo.id), Holders::kOnlyUs);
  EXPECT_EQ(*device().make_evictable(bo.device), Holders::kOnlyUs);
  EXPECT_EQ(*device().make_unevictable(bo.device), Pages::kRetained);
}

TEST_P(DeviceContract, EvictablePagesAreRetainedWhileMemoryIsNotShort) {
  const Bo bo = make();
  *Mapping(fd_of(bo), 4096).begin() = 42;
  EXPECT_EQ(*device().make_evictable(bo.device), Holders::kOnlyUs);
  EXPECT_EQ(*device().make_evictable(bo.device), Holders::kOnlyUs);
  EXPECT_EQ(*device().make_unevictable(bo.device), Pages::kRetained);
  EXPECT_EQ(*Mapping(fd_of(bo), 4096).begin(), 42);
}

TEST_P(DeviceContract, MakingUnevictableWhatNeverWasEvictableIsAllowed) {
  EXPECT_EQ(*device().make_unevictable(make().device), Pages::kRetained);
}

TEST_P(DeviceContract, APurgeTakesWhatIsEvictableAndNothingElse) {
  const Bo evictable = make();
  const Bo forgiven = make();
  const Bo kept = make();
  ASSERT_EQ(*device().make_evictable(evictable.device), Holders::kOnlyUs);
  ASSERT_EQ(*device().make_evictable(forgiven.device), Holders::kOnlyUs);
  ASSERT_EQ(*device().make_unevictable(forgiven.device), Pages::kRetained);
  if (!rig_->purge()) GTEST_SKIP() << "needs root, to drop the kernel's caches";
  EXPECT_EQ(*device().make_unevictable(evictable.device), Pages::kPurged);
  EXPECT_EQ(*device().make_unevictable(forgiven.device), Pages::kRetained);
  EXPECT_EQ(*device().make_unevictable(kept.device), Pages::kRetained);
  // For good.
  EXPECT_EQ(*device().make_unevictable(evictable.device), Pages::kPurged);
}

}  // namespace
}  // namespace panbo::test
