#include "daemon/core/bo_cache.h"

#include <gtest/gtest.h>

#include "daemon/core/bo_store.h"

namespace panbo {
namespace {

class BoCacheTest : public testing::Test {
 protected:
  Bo& ready(const BoKey& key) {
    Bo& bo = store_.add(key, {}, Time{});
    store_.move(bo, BoState::kReady, Time{});
    cache_.insert(bo);
    return bo;
  }

  const BoKey small_{.domain = DomainId{1}, .size = 4096};
  const BoKey large_{.domain = DomainId{1}, .size = 8192};
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
  Bo& third = ready(small_);
  EXPECT_EQ(cache_.oldest(), &first);
  cache_.remove(first);
  EXPECT_EQ(cache_.oldest(), &second);
  EXPECT_EQ(cache_.younger(second), &third);
  EXPECT_EQ(cache_.younger(third), nullptr);
}

}  // namespace
}  // namespace panbo
