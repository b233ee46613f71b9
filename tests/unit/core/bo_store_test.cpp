#include "daemon/core/bo_store.h"

#include <gtest/gtest.h>

namespace panbo {
namespace {

const BoKey kKey{.domain = DomainId{1}, .size = 4096};

TEST(BoStore, CountsBosAndBytesByState) {
  BoStore store;
  Bo& bo = store.add(kKey, {}, Time{});
  store.add(kKey, {}, Time{});
  EXPECT_EQ(store.amount(BoState::kCreating), (Amount{2, 8192}));
  store.move(bo, BoState::kLeased, Time{});
  EXPECT_EQ(store.amount(BoState::kCreating), (Amount{1, 4096}));
  EXPECT_EQ(store.amount(BoState::kLeased), (Amount{1, 4096}));
}

TEST(BoStore, FindsNothingUnderTheNameOfABoThatIsGone) {
  BoStore store;
  Bo& bo = store.add(kKey, {}, Time{});
  const BoId id = bo.id;
  EXPECT_EQ(store.find(id), &bo);
  store.move(bo, BoState::kRetired, Time{});
  store.erase(bo);
  EXPECT_EQ(store.find(id), nullptr);

  Bo& successor = store.add(kKey, {}, Time{});
  EXPECT_EQ(&successor, &bo) << "the slot is used again";
  EXPECT_EQ(store.find(id), nullptr);
  EXPECT_EQ(store.find(successor.id), &successor);
  EXPECT_EQ(store.total(), (Amount{1, 4096}));
}

TEST(BoStore, NeverMovesARecord) {
  BoStore store;
  Bo& first = store.add(kKey, {}, Time{});
  for (int i = 0; i < 10000; ++i) store.add(kKey, {}, Time{});
  EXPECT_EQ(store.find(first.id), &first);
  EXPECT_EQ(store.total().count, 10001u);
}

}  // namespace
}  // namespace panbo
