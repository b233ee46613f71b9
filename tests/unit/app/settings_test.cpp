#include "daemon/app/settings.h"

#include <gtest/gtest.h>

#include "daemon/core/arena.h"
#include "proto/limits.h"

namespace panbo {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

/// What is wrong with the settings on a board of 4 GiB; empty: nothing.
std::string complaint(const Settings& settings) {
  try {
    static_cast<void>(resolve_limits(settings, 4 * kGiB));
    return "";
  } catch (const SettingsError& error) {
    return error.what();
  }
}

void expect_names(const std::string& complaint, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) EXPECT_NE(complaint.find(part), std::string::npos) << part << ": " << complaint;
}

TEST(Settings, DefaultsFollowFromTheRam) {
  const Limits limits = resolve_limits({}, 4 * kGiB);
  EXPECT_EQ(limits.total_max, 3 * kGiB);
  EXPECT_EQ(limits.cache_max, kGiB);
  EXPECT_EQ(limits.user,
            (Cost{.bytes = 3 * kGiB, .addresses = kBoardAddresses / 2, .bos = 65536, .requests = 256, .fds = 1024}));
  EXPECT_EQ(limits.client,
            (Cost{.bytes = 3 * kGiB, .addresses = kBoardAddresses / 4, .bos = 16384, .requests = 64, .fds = 128}));
}

TEST(Settings, DefaultsFollowFromWhatIsSetAboveThem) {
  Settings settings;
  settings.total.max = kGiB / 2;
  settings.user.bytes = kGiB / 4;
  settings.user.addresses = 2 * kGiB;
  const Limits limits = resolve_limits(settings, 4 * kGiB);
  EXPECT_EQ(limits.cache_max, kGiB / 2) << "a quarter of the RAM would be more than there can be";
  EXPECT_EQ(limits.user.bytes, kGiB / 4);
  EXPECT_EQ(limits.client.bytes, kGiB / 4);
  EXPECT_EQ(limits.user.addresses, 2 * kGiB);
  EXPECT_EQ(limits.client.addresses, kGiB);
}

TEST(Settings, ABoardOfUnknownSizeHasLimitsThatDoNotOverflow) {
  const Limits limits = resolve_limits({}, UINT64_MAX);
  EXPECT_EQ(limits.total_max, UINT64_MAX / 4 * 3);
  EXPECT_EQ(limits.cache_max, UINT64_MAX / 4);
}

TEST(Settings, LimitsMayBeEqual) {
  Settings settings;
  settings.total.max = 4 * kGiB;
  settings.cache.max = 4 * kGiB;
  settings.user = {.bytes = 4 * kGiB, .addresses = kBoardAddresses, .bos = 64, .requests = 1, .fds = limits::kMaxBatch};
  settings.client = settings.user;
  EXPECT_EQ(complaint(settings), "");
  const Limits limits = resolve_limits(settings, 4 * kGiB);
  EXPECT_EQ(limits.total_max, 4 * kGiB);
  EXPECT_EQ(limits.cache_max, 4 * kGiB);
  EXPECT_EQ(
      limits.user,
      (Cost{.bytes = 4 * kGiB, .addresses = kBoardAddresses, .bos = 64, .requests = 1, .fds = limits::kMaxBatch}));
  EXPECT_EQ(limits.client, limits.user);
}

TEST(Settings, ALimitThatCannotBindNamesItsKeyAndTheOther) {
  Settings total, cache, user, client, user_addresses, client_addresses;
  total.total.max = 4 * kGiB + 1;
  expect_names(complaint(total), {"total.max = 4294967297", "the board's memory (4294967296 bytes)"});
  cache.cache.max = 3 * kGiB + 1;
  expect_names(complaint(cache), {"cache.max = 3221225473", "total.max (3221225472 bytes)"});
  user.user.bytes = 3 * kGiB + 1;
  expect_names(complaint(user), {"user.bytes = 3221225473", "total.max"});
  client.user.bytes = kGiB;
  client.client.bytes = kGiB + 1;
  expect_names(complaint(client), {"client.bytes = 1073741825", "user.bytes (1073741824 bytes)"});
  user_addresses.user.addresses = kBoardAddresses + 1;
  expect_names(complaint(user_addresses), {"user.addresses = 68182605825", "the board's GPU addresses (68182605824"});
  client_addresses.user.addresses = kGiB;
  client_addresses.client.addresses = kGiB + 1;
  expect_names(complaint(client_addresses), {"client.addresses = 1073741825", "user.addresses (1073741824 bytes)"});
}

TEST(Settings, AClientThatMayHaveMoreThanItsUserNamesBothKeys) {
  Settings bos, requests, fds;
  bos.client.bos = 65537;
  expect_names(complaint(bos), {"client.bos = 65537", "user.bos = 65536"});
  requests.user.requests = 63;
  expect_names(complaint(requests), {"client.requests = 64", "user.requests = 63"});
  fds.client.fds = 1025;
  expect_names(complaint(fds), {"client.fds = 1025", "user.fds = 1024"});
}

TEST(Settings, AClientThatCouldNeverBeSentAWholeBatchIsAContradiction) {
  Settings settings;
  settings.client.fds = limits::kMaxBatch - 1;
  expect_names(complaint(settings), {"client.fds = 63", "64"});
  settings.client.fds = limits::kMaxBatch;
  EXPECT_EQ(complaint(settings), "");
}

TEST(Settings, AStockThatTheBudgetCannotHoldIsRefused) {
  Settings settings;
  settings.stock = {{.size = kGiB, .count = 2}, {.size = kGiB / 2, .count = 2}};
  EXPECT_EQ(complaint(settings), "");
  settings.stock.push_back({.size = 1, .count = 1});
  expect_names(complaint(settings), {"stock", "total.max (3221225472 bytes)"});
  settings.stock = {{.size = 4096, .count = INT64_MAX}};
  expect_names(complaint(settings), {"stock", "total.max"});
  settings.stock = {{.size = kArenaBytes + 1, .count = 1}};
  expect_names(complaint(settings), {"stock", "4261412865"});
}

TEST(Settings, TheAdminSocketIsBesideTheOtherOneUnlessItIsNamed) {
  Settings settings;
  EXPECT_EQ(admin_socket_path(settings), "/run/panbo/admin.sock");
  settings.socket = "relative.sock";
  EXPECT_EQ(admin_socket_path(settings), "admin.sock");
  settings.admin_socket = "/elsewhere/a.sock";
  EXPECT_EQ(admin_socket_path(settings), "/elsewhere/a.sock");
}

}  // namespace
}  // namespace panbo
