#include "daemon/core/bo_cache.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "daemon/core/bo_store.h"

namespace panbo {
namespace {

class BoCacheTest : public testing::Test {
 protected:
  Bo& ready(const BoKey& key, Time since = {}) {
    Bo& bo = store_.add(key, {}, Time{});
    store_.move(bo, BoState::kLeased, Time{});
    store_.move(bo, BoState::kReady, since);
    cache_.insert(bo);
    return bo;
  }

  const BoKey small_{.domain = DomainId{1}, .size = 4096};
  const BoKey large_{.domain = DomainId{1}, .size = 8192};
  const BoKey others_{.domain = DomainId{3}, .size = 4096};
  BoStore store_;
  BoCache cache_;
};

TEST_F(BoCacheTest, GivesTheWarmestFirst) {
  Bo& cold = ready(small_);
  Bo& warm = ready(small_);
  EXPECT_EQ(cache_.warmest(small_), &warm);
  cache_.remove(warm);
  EXPECT_EQ(cache_.warmest(small_), &cold);
  cache_.remove(cold);
  EXPECT_EQ(cache_.warmest(small_), nullptr);
}

TEST_F(BoCacheTest, KeepsSizesKindsAndDomainsApart) {
  ready(small_);
  EXPECT_EQ(cache_.warmest(large_), nullptr);
  EXPECT_EQ(cache_.warmest({.domain = small_.domain, .kind = BoKind::kExecutable, .size = small_.size}), nullptr);
  EXPECT_EQ(cache_.warmest({.domain = DomainId{2}, .kind = small_.kind, .size = small_.size}), nullptr);
  EXPECT_NE(cache_.warmest(small_), nullptr);
}

TEST_F(BoCacheTest, KnowsTheOldestAcrossKeys) {
  Bo& first = ready(small_);
  Bo& second = ready(large_);
  ready(small_);
  EXPECT_EQ(cache_.oldest(), &first);
  cache_.remove(first);
  EXPECT_EQ(cache_.oldest(), &second);
}

TEST_F(BoCacheTest, KnowsTheOldestOfAllUsersAndOfEach) {
  Bo& second = ready(small_, Time(Duration(2)));
  Bo& first = ready(others_, Time(Duration(1)));
  Bo& third = ready(others_, Time(Duration(3)));
  EXPECT_EQ(cache_.oldest(), &first);
  EXPECT_EQ(cache_.oldest_of(small_.domain), &second);
  cache_.remove(first);
  EXPECT_EQ(cache_.oldest(), &second);
  EXPECT_EQ(cache_.oldest_of(others_.domain), &third);
  cache_.remove(second);
  EXPECT_EQ(cache_.oldest_of(small_.domain), nullptr);
  EXPECT_EQ(cache_.oldest(), &third);
}

TEST_F(BoCacheTest, WhoeverHasMostGivesWayFirst) {
  Bo& mine = ready(small_);
  Bo& theirs = ready(others_);
  Bo& more = ready(others_);
  EXPECT_EQ(cache_.first_to_go(), &theirs);
  cache_.remove(theirs);
  ready(small_);
  EXPECT_EQ(cache_.first_to_go(), &mine);
  cache_.remove(mine);
  ready({.domain = others_.domain, .size = 8192});
  EXPECT_EQ(cache_.first_to_go(), &more);
}

TEST_F(BoCacheTest, WithManyUsersTheOneWithMostIsFoundAfterEveryChange) {
  std::map<uint32_t, std::deque<Bo*>> bos;
  uint32_t random = 1;
  for (int i = 0; i < 5000; ++i) {
    random = random * 1664525 + 1013904223;
    const uint32_t user = random >> 26;
    auto& of_user = bos[user];
    if ((random >> 10) % 5 < 2 && !of_user.empty()) {
      cache_.remove(*of_user.front());
      of_user.pop_front();
    } else {
      of_user.push_back(&ready({.domain = DomainId{user}, .size = 4096}));
    }
    size_t most = 0;
    for (const auto& [id, list] : bos) most = std::max(most, list.size());
    const Bo* first = cache_.first_to_go();
    ASSERT_EQ(first == nullptr ? 0 : bos[first->key.domain.value].size(), most) << i;
    ASSERT_TRUE(first == nullptr || first == bos[first->key.domain.value].front()) << i;
  }
}

}  // namespace
}  // namespace panbo
