#include "daemon/device/device_thread.h"

#include <gtest/gtest.h>
#include <poll.h>

#include "tests/support/fake_device.h"

namespace panbo {
namespace {

/// Waits for results, and gives up after ten seconds.
std::vector<CreatedBo> wait_for(DeviceThread& thread, size_t count) {
  std::vector<CreatedBo> all;
  while (all.size() < count) {
    pollfd p{.fd = thread.event_fd(), .events = POLLIN, .revents = 0};
    if (::poll(&p, 1, 10'000) != 1) break;
    for (CreatedBo& created : thread.take_created()) all.push_back(created);
  }
  return all;
}

TEST(DeviceThread, AnswersInTheOrderInWhichItWasAsked) {
  FakeDevice device;
  DeviceThread thread(device);
  for (uint64_t i = 1; i <= 100; ++i) thread.create(BoId{i}, ArenaId{0}, BoKind::kPlain, i * 4096);
  const auto created = wait_for(thread, 100);
  ASSERT_EQ(created.size(), 100u);
  for (uint64_t i = 1; i <= 100; ++i) {
    EXPECT_EQ(created[i - 1].id, BoId{i});
    EXPECT_EQ(created[i - 1].result->size, i * 4096);
  }
}

TEST(DeviceThread, WhatWasDestroyedBeforeIsFreeForWhatIsMadeAfterwards) {
  FakeDevice device;
  device.memory_limit = 4096;
  const DeviceBo old = *device.create(ArenaId{0}, BoKind::kPlain, 4096);
  DeviceThread thread(device);
  thread.destroy(BoId{1}, old);
  thread.create(BoId{2}, ArenaId{0}, BoKind::kPlain, 4096);
  const auto created = wait_for(thread, 1);
  ASSERT_EQ(created.size(), 1u);
  EXPECT_TRUE(created[0].result);
}

TEST(DeviceThread, PassesErrorsOn) {
  FakeDevice device;
  device.create_failures = {Errno{ENOSPC}};
  DeviceThread thread(device);
  thread.create(BoId{1}, ArenaId{0}, BoKind::kPlain, 4096);
  const auto created = wait_for(thread, 1);
  ASSERT_EQ(created.size(), 1u);
  EXPECT_EQ(created[0].result.error(), Errno{ENOSPC});
}

TEST(DeviceThread, HasNothingToGiveBeforeItIsAsked) {
  FakeDevice device;
  DeviceThread thread(device);
  EXPECT_TRUE(thread.take_created().empty());
}

TEST(DeviceThread, DestroysWhatItWasAskedToBeforeItEnds) {
  FakeDevice device;
  std::vector<DeviceBo> bos;
  for (int i = 0; i < 10; ++i) bos.push_back(*device.create(ArenaId{0}, BoKind::kPlain, 4096));
  {
    DeviceThread thread(device);
    for (const DeviceBo& bo : bos) thread.destroy(BoId{1}, bo);
  }
  EXPECT_EQ(device.bo_count(), 0u);
}

}  // namespace
}  // namespace panbo
