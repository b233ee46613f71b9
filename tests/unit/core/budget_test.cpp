#include "daemon/core/budget.h"

#include <gtest/gtest.h>

#include <optional>

namespace panbo {
namespace {

class BudgetTest : public testing::Test {
 protected:
  std::shared_ptr<Account> user_ = std::make_shared<Account>("user", Cost{100, 100, 10, 10, 10}, nullptr);
  std::shared_ptr<Account> client_ = std::make_shared<Account>("client", Cost{60, 60, 10, 10, 10}, user_);
  std::shared_ptr<Account> sibling_ = std::make_shared<Account>("sibling", Cost{60, 60, 10, 10, 10}, user_);
};

TEST_F(BudgetTest, AChargeCountsInTheWholeChainUntilItsTokenDies) {
  {
    const auto charge = Charge::take(client_, {.bytes = 40, .bos = 1});
    ASSERT_TRUE(charge);
    EXPECT_EQ(client_->used(), (Cost{.bytes = 40, .bos = 1}));
    EXPECT_EQ(user_->used(), (Cost{.bytes = 40, .bos = 1}));
    EXPECT_EQ(sibling_->used(), Cost{});
  }
  EXPECT_EQ(client_->used(), Cost{});
  EXPECT_EQ(user_->used(), Cost{});
}

TEST_F(BudgetTest, TheLimitItselfIsAllowedAndOneMoreIsNot) {
  const auto all = Charge::take(client_, {.bytes = 60});
  EXPECT_TRUE(all);
  const auto more = Charge::take(client_, {.bytes = 1});
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error(), Errno{EDQUOT});
}

TEST_F(BudgetTest, NamesTheAccountThatIsFull) {
  const auto most = Charge::take(client_, {.bytes = 60});
  EXPECT_EQ(client_->full_for({.bytes = 1}), client_.get());
  EXPECT_EQ(sibling_->full_for({.bytes = 50}), user_.get());
  EXPECT_EQ(sibling_->full_for({.bytes = 40}), nullptr);
}

TEST_F(BudgetTest, NamesWhatIsLacking) {
  EXPECT_EQ(client_->lacking({.bytes = 60, .addresses = 61}), "GPU addresses");
  EXPECT_EQ(client_->lacking({.bytes = 60, .addresses = 60}), "");
}

TEST_F(BudgetTest, WhatIsRefusedIsChargedToNobody) {
  const auto most = Charge::take(client_, {.bytes = 60});
  EXPECT_FALSE(Charge::take(sibling_, {.bytes = 50}));
  EXPECT_EQ(sibling_->used(), Cost{});
  EXPECT_EQ(user_->used(), (Cost{.bytes = 60}));
}

TEST_F(BudgetTest, KnowsWhatItCouldNeverHold) {
  const auto most = Charge::take(client_, {.bytes = 60});
  EXPECT_TRUE(client_->can_ever_hold({.bytes = 60}));
  EXPECT_FALSE(client_->can_ever_hold({.bytes = 61}));
}

TEST_F(BudgetTest, EveryResourceHasItsLimit) {
  EXPECT_FALSE(Charge::take(client_, {.addresses = 61}));
  EXPECT_FALSE(Charge::take(client_, {.bos = 11}));
  EXPECT_FALSE(Charge::take(client_, {.requests = 11}));
  EXPECT_FALSE(Charge::take(client_, {.fds = 11}));
}

TEST_F(BudgetTest, HugeCostsDoNotWrapAround) {
  const auto some = Charge::take(client_, {.bytes = 1});
  EXPECT_FALSE(Charge::take(client_, {.bytes = UINT64_MAX}));
  const auto unlimited = std::make_shared<Account>("unlimited", kNoLimit, nullptr);
  const auto nearly_all = Charge::take(unlimited, {.bytes = UINT64_MAX - 1});
  EXPECT_TRUE(nearly_all);
  EXPECT_TRUE(Charge::take(unlimited, {.bytes = 1}));
  EXPECT_FALSE(Charge::take(unlimited, {.bytes = 2}));
}

TEST_F(BudgetTest, AMovedTokenIsGivenBackOnce) {
  Charge a = *Charge::take(client_, {.bytes = 10});
  Charge b = std::move(a);
  a = Charge();
  EXPECT_EQ(client_->used().bytes, 10u);
  b = *Charge::take(client_, {.bytes = 20});
  EXPECT_EQ(client_->used().bytes, 20u);
}

TEST_F(BudgetTest, AChargeOutlivesItsClient) {
  std::optional<Charge> charge = *Charge::take(client_, {.bytes = 10});
  client_.reset();
  EXPECT_EQ(user_->used().bytes, 10u);
  charge.reset();
  EXPECT_EQ(user_->used().bytes, 0u);
}

}  // namespace
}  // namespace panbo
