#include "daemon/device/device_thread.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>

#include "tests/support/await.h"
#include "tests/support/fake_device.h"
#include "tests/support/threads.h"

namespace panbo {
namespace {

constexpr UserId kUser{1000};

/// A device on which a creation takes until the test says so.
class SlowDevice : public FakeDevice {
 public:
  Result<DeviceBo> create(ArenaId arena, BoKind kind, uint64_t size) override {
    ++begun_;
    begun_.notify_all();
    let_go_.wait(false);
    return FakeDevice::create(arena, kind, size);
  }
  void wait_until_it_creates() const { begun_.wait(0); }
  void let_go() {
    let_go_ = true;
    let_go_.notify_all();
  }

 private:
  std::atomic<int> begun_ = 0;
  std::atomic<bool> let_go_ = false;
};

/// Waits until so many bytes have been destroyed, and gives up after ten seconds. Returns how often it was told.
int wait_for_destroyed(DeviceThread& thread, uint64_t bytes) {
  int told = 0;
  for (uint64_t destroyed = 0; destroyed < bytes; ++told) {
    pollfd p{.fd = thread.event_fd(), .events = POLLIN, .revents = 0};
    if (::poll(&p, 1, 10'000) != 1) break;
    destroyed += thread.take_done().destroyed;
  }
  return told;
}

/// Waits for results, and gives up after ten seconds.
std::vector<CreatedBo> wait_for(DeviceThread& thread, size_t count) {
  std::vector<CreatedBo> all;
  while (all.size() < count) {
    pollfd p{.fd = thread.event_fd(), .events = POLLIN, .revents = 0};
    if (::poll(&p, 1, 10'000) != 1) break;
    for (const CreatedBo& created : thread.take_done().created) all.push_back(created);
  }
  return all;
}

TEST(DeviceThread, AnswersInTheOrderInWhichItWasAsked) {
  FakeDevice device;
  DeviceThread thread(device);
  for (uint64_t i = 1; i <= 100; ++i) thread.create(BoId{i}, kUser, ArenaId{0}, BoKind::kPlain, i * 4096);
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
  thread.destroy(BoId{1}, old, 4096);
  thread.create(BoId{2}, kUser, ArenaId{0}, BoKind::kPlain, 4096);
  const auto created = wait_for(thread, 1);
  ASSERT_EQ(created.size(), 1u);
  EXPECT_TRUE(created[0].result);
}

TEST(DeviceThread, PassesErrorsOn) {
  FakeDevice device;
  device.create_failures = {Errno{ENOSPC}};
  DeviceThread thread(device);
  thread.create(BoId{1}, kUser, ArenaId{0}, BoKind::kPlain, 4096);
  const auto created = wait_for(thread, 1);
  ASSERT_EQ(created.size(), 1u);
  EXPECT_EQ(created[0].result.error(), Errno{ENOSPC});
}

TEST(DeviceThread, HasNothingToGiveBeforeItIsAsked) {
  FakeDevice device;
  DeviceThread thread(device);
  EXPECT_TRUE(thread.take_done().created.empty());
}

TEST(DeviceThread, DestroysWhatItWasAskedToBeforeItEnds) {
  FakeDevice device;
  std::vector<DeviceBo> bos;
  for (int i = 0; i < 10; ++i) bos.push_back(*device.create(ArenaId{0}, BoKind::kPlain, 4096));
  {
    DeviceThread thread(device);
    for (const DeviceBo& bo : bos) thread.destroy(BoId{1}, bo, 4096);
  }
  EXPECT_EQ(device.bo_count(), 0u);
}

TEST(DeviceThread, DestroysFirstAndLetsUsersTakeTurns) {
  SlowDevice device;
  const DeviceBo old = *device.FakeDevice::create(ArenaId{0}, BoKind::kPlain, 4096);
  device.memory_limit = 4 * 4096;
  DeviceThread thread(device);
  thread.create(BoId{1}, kUser, ArenaId{0}, BoKind::kPlain, 4096);
  device.wait_until_it_creates();
  for (uint64_t id = 2; id <= 4; ++id) thread.create(BoId{id}, kUser, ArenaId{0}, BoKind::kPlain, 4096);
  thread.create(BoId{5}, UserId{2000}, ArenaId{0}, BoKind::kPlain, 4096);
  thread.destroy(BoId{6}, old, 4096);
  EXPECT_EQ(thread.creating(), 5u * 4096);
  EXPECT_TRUE(thread.cancel(BoId{4}));
  EXPECT_FALSE(thread.cancel(BoId{1})) << "it has begun";
  EXPECT_EQ(thread.creating(), 4u * 4096);
  thread.hand_over();
  device.let_go();
  std::vector<uint64_t> order;
  for (const CreatedBo& created : wait_for(thread, 4)) {
    EXPECT_TRUE(created.result) << "what was to be destroyed is gone before the fourth is made";
    order.push_back(created.id.value);
  }
  EXPECT_EQ(order, (std::vector<uint64_t>{1, 2, 5, 3}));
  EXPECT_EQ(thread.creating(), 0u);
}

TEST(DeviceThread, ManyDestructionsTakeOneWakeUpAndFewReports) {
  FakeDevice device;
  std::vector<DeviceBo> bos;
  for (int i = 0; i < 64; ++i) bos.push_back(*device.create(ArenaId{0}, BoKind::kPlain, 4096));
  DeviceThread thread(device);
  for (uint64_t i = 0; i < 64; ++i) thread.destroy(BoId{i}, bos[i], 4096);
  thread.hand_over();
  EXPECT_EQ(thread.destroying(), 64u * 4096);
  EXPECT_LE(wait_for_destroyed(thread, uint64_t{64} * 4096), 2);
  EXPECT_EQ(thread.destroying(), 0u);
  EXPECT_LE(thread.wake_ups(), 1u);
  EXPECT_EQ(device.bo_count(), 0u);
}

TEST(DeviceThread, WhatIsCancelledBeforeTheThreadHasWokenUpDoesNotKeepItAsleep) {
  FakeDevice device;
  DeviceThread thread(device);
  const auto sleep = [] { await("the thread sleeps", test::other_threads_wait); };
  uint64_t id = 0;
  for (int cancelled = 0; cancelled < 20;) {
    sleep();
    thread.create(BoId{++id}, kUser, ArenaId{0}, BoKind::kPlain, 4096);
    if (!thread.cancel(BoId{id})) {
      // It was faster.
      ASSERT_EQ(wait_for(thread, 1).size(), 1u);
      continue;
    }
    ++cancelled;
    sleep();
    thread.create(BoId{++id}, kUser, ArenaId{0}, BoKind::kPlain, 4096);
    ASSERT_EQ(wait_for(thread, 1).size(), 1u);
  }
}

}  // namespace
}  // namespace panbo
