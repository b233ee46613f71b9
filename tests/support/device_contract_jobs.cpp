// GPU jobs: a BO that has one is watched, and reported when it is idle, once and only then.

#include "tests/support/device_contract.h"
#include "tests/support/fds.h"

namespace panbo::test {
namespace {

using Ids = std::vector<BoId>;

TEST_P(DeviceContract, ABusyBoIsReportedOnceWhenItsJobEnds) {
  const Bo bo = make_busy();
  EXPECT_EQ(*device().watch(bo.id, bo.device), Usage::kBusy);
  EXPECT_FALSE(is_readable(device().event_fd()));
  EXPECT_EQ(take_idle(), Ids());

  rig_->let_jobs_end();
  EXPECT_EQ(wait_for_idle(), Ids{bo.id});
  EXPECT_EQ(take_idle(), Ids());
  EXPECT_FALSE(is_readable(device().event_fd()));
  EXPECT_EQ(*device().holders(bo.id), Holders::kOnlyUs);
  EXPECT_EQ(*device().make_evictable(bo.device), Holders::kOnlyUs);
}

TEST_P(DeviceContract, WhatIsNotTakenStaysReadable) {
  const Bo bo = make_busy();
  ASSERT_EQ(*device().watch(bo.id, bo.device), Usage::kBusy);
  rig_->let_jobs_end();
  ASSERT_TRUE(becomes_readable(device().event_fd()));
  EXPECT_TRUE(is_readable(device().event_fd()));
  EXPECT_EQ(take_idle(), Ids{bo.id});
}

TEST_P(DeviceContract, HoldersAreSeenAfterTheJobToo) {
  const Bo bo = make();
  UniqueFd kept = fd_of(bo);
  rig_->start_job(kept.get());
  ASSERT_EQ(*device().watch(bo.id, bo.device), Usage::kBusy);
  rig_->let_jobs_end();
  ASSERT_EQ(wait_for_idle(), Ids{bo.id});
  EXPECT_EQ(*device().holders(bo.id), Holders::kOthersToo);
  kept.reset();
  EXPECT_EQ(*device().holders(bo.id), Holders::kOnlyUs);
}

TEST_P(DeviceContract, ABoIsIdleOnlyAfterTheLastOfItsJobs) {
  const Bo bo = make_busy();
  // More than the GPU takes in at a time, so that they do not end all at once.
  for (int i = 0; i < 3; ++i) rig_->start_job(fd_of(bo).get());
  ASSERT_EQ(*device().watch(bo.id, bo.device), Usage::kBusy);
  rig_->let_jobs_end();
  Ids idle;
  // The end of an earlier job may make the fd readable, but gives nothing.
  while (idle.empty() && becomes_readable(device().event_fd())) device().take_idle(idle);
  EXPECT_EQ(idle, Ids{bo.id});
  EXPECT_EQ(*device().holders(bo.id), Holders::kOnlyUs);
  EXPECT_EQ(take_idle(), Ids());
}

TEST_P(DeviceContract, AJobThatCameAfterTheIdleEventCountsAsAHolder) {
  const Bo bo = make();
  UniqueFd kept = fd_of(bo);
  ASSERT_EQ(*device().watch(bo.id, bo.device), Usage::kIdle);
  rig_->start_job(kept.get());
  kept.reset();
  EXPECT_EQ(*device().holders(bo.id), Holders::kOthersToo);

  device().unwatch(bo.id);
  ASSERT_EQ(*device().watch(bo.id, bo.device), Usage::kBusy);
  rig_->let_jobs_end();
  EXPECT_EQ(wait_for_idle(), Ids{bo.id});
  EXPECT_EQ(*device().holders(bo.id), Holders::kOnlyUs);
}

TEST_P(DeviceContract, AnUnwatchedBoIsNotReported) {
  const Bo unwatched = make_busy();
  const Bo destroyed = make_busy();
  // Its job comes last, so that the others' are over when it is reported.
  const Bo last = make_busy();
  for (const Bo& bo : {unwatched, destroyed, last}) ASSERT_EQ(*device().watch(bo.id, bo.device), Usage::kBusy);
  device().unwatch(unwatched.id);
  destroy(destroyed);
  rig_->let_jobs_end();
  EXPECT_EQ(wait_for_idle(), Ids{last.id});
  EXPECT_EQ(take_idle(), Ids());
}

TEST_P(DeviceContract, ABoThatBecameIdleIsNotReportedAfterItsUnwatch) {
  const Bo bo = make_busy();
  ASSERT_EQ(*device().watch(bo.id, bo.device), Usage::kBusy);
  rig_->let_jobs_end();
  ASSERT_TRUE(becomes_readable(device().event_fd()));
  device().unwatch(bo.id);
  device().unwatch(bo.id);
  EXPECT_EQ(take_idle(), Ids());
  EXPECT_FALSE(is_readable(device().event_fd()));
}

TEST_P(DeviceContract, ABoCanBeWatchedAgain) {
  const Bo bo = make_busy();
  ASSERT_EQ(*device().watch(bo.id, bo.device), Usage::kBusy);
  device().unwatch(bo.id);
  ASSERT_EQ(*device().watch(bo.id, bo.device), Usage::kBusy);
  rig_->let_jobs_end();
  EXPECT_EQ(wait_for_idle(), Ids{bo.id});
  device().unwatch(bo.id);
  EXPECT_EQ(*device().watch(bo.id, bo.device), Usage::kIdle);
}

}  // namespace
}  // namespace panbo::test
