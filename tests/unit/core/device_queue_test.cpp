#include "daemon/core/device_queue.h"

#include <gtest/gtest.h>

namespace panbo {
namespace {

CreateJob create(uint64_t id, uint32_t user) {
  return {.id = BoId{id}, .user = UserId{user}, .arena = {}, .size = 4096};
}

DestroyJob destroy(uint64_t id) {
  return {.id = BoId{id}, .bo = {}, .memory = 4096};
}

/// The ids of all jobs in order. Empties the queue.
std::vector<uint64_t> order_of(DeviceQueue& queue) {
  std::vector<uint64_t> ids;
  while (const auto job = queue.pop()) {
    ids.push_back(std::visit([](const auto& j) { return j.id.value; }, *job));
  }
  return ids;
}

TEST(DeviceQueue, DestroysBeforeItCreates) {
  DeviceQueue queue;
  queue.push(create(1, 1000));
  queue.push(destroy(2));
  queue.push(create(3, 1000));
  queue.push(destroy(4));
  EXPECT_EQ(order_of(queue), (std::vector<uint64_t>{2, 4, 1, 3}));
  EXPECT_TRUE(queue.empty());
}

TEST(DeviceQueue, AUserWaitsForOneCreationOfEachOtherUser) {
  DeviceQueue queue;
  for (uint64_t id = 1; id <= 1000; ++id) queue.push(create(id, 1000));
  queue.push(create(2001, 2000));
  queue.push(create(3001, 3000));
  queue.push(create(2002, 2000));
  const auto order = order_of(queue);
  EXPECT_EQ(std::vector(order.begin(), order.begin() + 5), (std::vector<uint64_t>{1, 2001, 3001, 2, 2002}));
  EXPECT_EQ(order.size(), 1003u);
}

TEST(DeviceQueue, AUserThatComesAgainWaitsForTheOthersTurns) {
  DeviceQueue queue;
  queue.push(create(1, 1000));
  queue.push(create(2, 2000));
  queue.pop();
  queue.push(create(3, 1000));
  EXPECT_EQ(order_of(queue), (std::vector<uint64_t>{2, 3}));
}

TEST(DeviceQueue, WhatWasCancelledIsForgotten) {
  DeviceQueue queue;
  queue.push(create(1, 1000));
  queue.push(create(2, 1000));
  queue.push(create(3, 2000));
  ASSERT_TRUE(queue.cancel(BoId{1}));
  ASSERT_TRUE(queue.cancel(BoId{3}));
  EXPECT_FALSE(queue.cancel(BoId{3})) << "once is enough";
  EXPECT_EQ(order_of(queue), (std::vector<uint64_t>{2}));
  EXPECT_FALSE(queue.cancel(BoId{2})) << "it has begun";
}

TEST(DeviceQueue, ADestructionIsNotCancelled) {
  DeviceQueue queue;
  queue.push(destroy(1));
  EXPECT_FALSE(queue.cancel(BoId{1}));
  queue.push(create(2, 1000));
  queue.drop_creates();
  EXPECT_EQ(order_of(queue), (std::vector<uint64_t>{1}));
}

}  // namespace
}  // namespace panbo
