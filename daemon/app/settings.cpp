// A limit that was not set follows from the board's RAM. One that was set is taken at its word or refused: a limit that
// cannot bind is a mistake in somebody's configuration, and silence would hide it.

#include "daemon/app/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "daemon/core/arena.h"
#include "proto/limits.h"

namespace panbo {
namespace {

uint64_t limit(const char* key, const std::optional<uint64_t>& set, uint64_t fallback, const char* above_key,
               uint64_t above) {
  if (!set) return std::min(fallback, above);
  if (*set > above) {
    throw SettingsError(fmt::format("{} = {} bytes is more than {} ({} bytes): lower it", key, *set, above_key, above));
  }
  return *set;
}

Cost cost_of(const Settings::Quota& quota, uint64_t bytes, uint64_t addresses) {
  return {.bytes = bytes, .addresses = addresses, .bos = quota.bos, .requests = quota.requests, .fds = quota.fds};
}

void check_stock(const std::vector<StockItem>& stock, uint64_t total_max) {
  uint64_t left = total_max;
  for (const StockItem& item : stock) {
    if (item.size > kArenaBytes) {
      throw SettingsError(
          fmt::format("stock: a size of {} bytes is more than a BO can have ({} bytes)", item.size, kArenaBytes));
    }
    if (item.count > left / item.size) {
      throw SettingsError(fmt::format("stock is more than total.max ({} bytes): lower it", total_max));
    }
    left -= item.count * item.size;
  }
}

void check_order(const char* what, uint64_t client, uint64_t user) {
  if (client > user) {
    throw SettingsError(
        fmt::format("client.{0} = {1} is more than user.{0} = {2}: lower one or raise the other", what, client, user));
  }
}

}  // namespace

Limits resolve_limits(const Settings& settings, uint64_t ram) {
  Limits limits;
  limits.total_max = limit("total.max", settings.total.max, ram / 4 * 3, "the board's memory", ram);
  limits.cache_max = limit("cache.max", settings.cache.max, ram / 4, "total.max", limits.total_max);
  check_stock(settings.stock, limits.total_max);
  const uint64_t user = limit("user.bytes", settings.user.bytes, limits.total_max, "total.max", limits.total_max);
  const uint64_t client = limit("client.bytes", settings.client.bytes, user, "user.bytes", user);
  const uint64_t user_addresses = limit("user.addresses", settings.user.addresses, kBoardAddresses / 2,
                                        "the board's GPU addresses", kBoardAddresses);
  const uint64_t client_addresses =
      limit("client.addresses", settings.client.addresses, user_addresses / 2, "user.addresses", user_addresses);
  check_order("bos", settings.client.bos, settings.user.bos);
  check_order("requests", settings.client.requests, settings.user.requests);
  check_order("fds", settings.client.fds, settings.user.fds);
  if (settings.client.fds < limits::kMaxBatch) {
    throw SettingsError(fmt::format("client.fds = {} is less than the {} BOs that one request may ask for: raise it",
                                    settings.client.fds, limits::kMaxBatch));
  }
  limits.user = cost_of(settings.user, user, user_addresses);
  limits.client = cost_of(settings.client, client, client_addresses);
  return limits;
}

std::string admin_socket_path(const Settings& settings) {
  if (settings.admin_socket) return *settings.admin_socket;
  return std::filesystem::path(settings.socket).replace_filename("admin.sock");
}

}  // namespace panbo
