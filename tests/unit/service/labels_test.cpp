// What clients say that their BOs are for: when the kernel is to be told, and what administrators see.
#include "tests/unit/service/local_cache_rig.h"

namespace panbo {
namespace {

class LabelsTest : public LocalCacheTest {
 protected:
  Grant labelled(FakeClient& client, const std::string& label) {
    return alloc(client, {.size = kMiB, .label = label}).at(0);
  }
  std::vector<LabelRow> labels() { return std::get<LabelsReply>(service_.handle_admin(LabelsRequest{})).labels; }
};

TEST_F(LabelsTest, TheKernelIsToldOfANewNameAndOfNoOther) {
  const auto client = join();
  Grant grant = labelled(*client, "texture");
  EXPECT_EQ(grant.name, "texture");
  client->release(grant);
  grant = labelled(*client, "texture");
  ASSERT_EQ(grant.origin, Origin::kCached);
  EXPECT_EQ(grant.name, std::nullopt);
  client->release(grant);
  grant = labelled(*client, "shader");
  ASSERT_EQ(grant.origin, Origin::kCached);
  EXPECT_EQ(grant.name, "shader");
}

TEST_F(LabelsTest, WithoutLabelsTheKernelIsToldNothing) {
  const auto client = join();
  const Grant fresh = client->must_alloc(kMiB);
  EXPECT_EQ(fresh.name, std::nullopt);
  client->release(fresh);
  EXPECT_EQ(client->must_alloc(kMiB).name, std::nullopt);
}

TEST_F(LabelsTest, ALabelDoesNotOutliveItsLease) {
  const auto client = join();
  client->release(labelled(*client, "texture"));
  const Grant again = client->must_alloc(kMiB);
  ASSERT_EQ(again.origin, Origin::kCached);
  EXPECT_EQ(again.name, "");
  EXPECT_EQ(labels().at(0).label, "");
}

TEST_F(LabelsTest, ExtraOnesAreForTheSame) {
  make_ready(1000, kMiB, 2);
  const auto client = join_with_table();
  const auto grants = alloc(*client, {.size = kMiB, .label = "texture", .extra = 1});
  ASSERT_EQ(grants.size(), 2u);
  EXPECT_EQ(grants[1].name, "texture");
}

TEST_F(LabelsTest, AdministratorsSeeThemByClientTheLargestFirst) {
  const auto first = join(), second = join();
  first->must_alloc(kMiB);
  labelled(*first, "texture");
  labelled(*first, "texture");
  const Grant grant = alloc(*second, {.size = 3 * kMiB, .label = "texture"}).at(0);
  const auto rows = labels();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].label, "texture");
  EXPECT_EQ(rows[0].leased, (Amount{1, 3 * kMiB}));
  EXPECT_EQ(rows[0].client_name, "fake");
  EXPECT_EQ(rows[1].label, "texture");
  EXPECT_EQ(rows[1].leased, (Amount{2, 2 * kMiB}));
  EXPECT_NE(rows[0].client, rows[1].client);
  EXPECT_EQ(rows[2].label, "");
  EXPECT_EQ(rows[2].client, rows[1].client);
  second->release(grant);
  EXPECT_EQ(labels().size(), 2u);
}

}  // namespace
}  // namespace panbo
