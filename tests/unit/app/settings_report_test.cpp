#include "daemon/app/settings_report.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "daemon/app/config_file.h"

namespace panbo {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

std::vector<SettingRow> described(const Settings& settings, uint64_t ram = 4 * kGiB) {
  return describe_settings(settings, resolve_limits(settings, ram), ram);
}

SettingRow row(const std::vector<SettingRow>& rows, const std::string& key) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&key](const SettingRow& r) { return r.key == key; });
  return found == rows.end() ? SettingRow{} : *found;
}

TEST(SettingsReport, HasEveryKeyThatCanBeSetOnceAndNoOther) {
  std::vector<std::string> shown;
  for (const SettingRow& row : described({})) shown.push_back(row.key);
  std::vector<std::string> keys = config_keys();
  std::sort(shown.begin(), shown.end());
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(shown, keys);
}

TEST(SettingsReport, ADefaultSaysWhatItFollowsFrom) {
  const auto rows = described({});
  EXPECT_EQ(row(rows, "cache.max").value, std::to_string(kGiB));
  EXPECT_EQ(row(rows, "cache.max").unit, "bytes");
  EXPECT_EQ(row(rows, "cache.max").origin, "default: a quarter of 4096 MiB of RAM");
  EXPECT_EQ(row(rows, "client.bytes").value, std::to_string(3 * kGiB));
  EXPECT_EQ(row(rows, "client.bytes").origin, "default: user.bytes");
  EXPECT_EQ(row(rows, "cache.decay").value, "10000");
  EXPECT_EQ(row(rows, "cache.decay").unit, "ms");
  EXPECT_EQ(row(rows, "cache.headroom").value, "0.25");
  EXPECT_EQ(row(rows, "admin_socket").value, "/run/panbo/admin.sock");
}

TEST(SettingsReport, WhatWasSetSaysWhere) {
  Settings settings;
  read_config("log_level = \"error\"\n[cache]\nmax = \"1MiB\"\n", "/etc/x.toml", settings);
  const auto rows = described(settings);
  EXPECT_EQ(row(rows, "log_level").value, "error");
  EXPECT_EQ(row(rows, "log_level").origin, "/etc/x.toml:1");
  EXPECT_EQ(row(rows, "cache.max").value, "1048576");
  EXPECT_EQ(row(rows, "cache.max").origin, "/etc/x.toml:3");
}

TEST(SettingsReport, TheStockIsOneRow) {
  EXPECT_EQ(row(described({}), "stock").value, "none");
  Settings settings;
  read_config("stock = [{size = \"8MiB\", count = 4}, {size = 65536, count = 16}]", "x.toml", settings);
  EXPECT_EQ(row(described(settings), "stock").value, "4 x 8388608, 16 x 65536");
  EXPECT_EQ(row(described(settings), "stock").origin, "x.toml:1");
}

TEST(SettingsReport, RamThatNobodyKnowsIsNotNamed) {
  EXPECT_EQ(row(described({}, UINT64_MAX), "total.max").origin, "default");
}

}  // namespace
}  // namespace panbo
