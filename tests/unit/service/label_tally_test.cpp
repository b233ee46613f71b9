#include "daemon/service/label_tally.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace panbo {
namespace {

constexpr ClientId kClient{7};

std::vector<LabelRow> rows_of(const LabelTally& tally) {
  std::vector<LabelRow> rows;
  tally.append_rows(kClient, "client", rows);
  std::sort(rows.begin(), rows.end(), larger_first);
  return rows;
}

TEST(LabelTally, SumsUpWhatHasTheSameLabel) {
  LabelTally tally;
  tally.add("texture", 1);
  tally.add("", 10);
  tally.add("texture", 2);
  const auto rows = rows_of(tally);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].label, "");
  EXPECT_EQ(rows[0].leased, (Amount{1, 10}));
  EXPECT_EQ(rows[1].client, kClient);
  EXPECT_EQ(rows[1].client_name, "client");
  EXPECT_EQ(rows[1].label, "texture");
  EXPECT_EQ(rows[1].leased, (Amount{2, 3}));
  EXPECT_EQ(rows[1].others, 0u);
}

TEST(LabelTally, AClientWithoutBosHasNoRows) {
  EXPECT_TRUE(rows_of(LabelTally()).empty());
}

TEST(LabelTally, ManyLabelsAreTheLargestAndTheSumOfTheOthers) {
  std::vector<std::string> labels;
  for (size_t i = 0; i < kMaxLabelRows; ++i) labels.push_back("label " + std::to_string(i));
  LabelTally tally;
  for (const std::string& label : labels) tally.add(label, 100);
  EXPECT_EQ(rows_of(tally).size(), kMaxLabelRows);
  EXPECT_EQ(rows_of(tally).back().others, 0u);

  tally.add("small", 3);
  tally.add(labels[0], 1);
  const auto rows = rows_of(tally);
  ASSERT_EQ(rows.size(), kMaxLabelRows);
  EXPECT_TRUE(std::any_of(rows.begin(), rows.end(), [&](const LabelRow& row) { return row.label == labels[0]; }));
  const auto others = std::find_if(rows.begin(), rows.end(), [](const LabelRow& row) { return row.others > 0; });
  ASSERT_NE(others, rows.end());
  EXPECT_EQ(others->others, 2u);
  EXPECT_EQ(others->leased, (Amount{2, 103}));
}

}  // namespace
}  // namespace panbo
