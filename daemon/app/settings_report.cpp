// What was set somewhere says where; what was not says what its default follows from.

#include "daemon/app/settings_report.h"

#include <fmt/format.h>

namespace panbo {
namespace {

std::string share_of_ram(const char* share, uint64_t ram) {
  if (ram == UINT64_MAX) return "default";
  return fmt::format("default: {} of {} MiB of RAM", share, ram >> 20);
}

SettingRow bytes(const char* key, uint64_t value, std::string default_origin) {
  return {.key = key, .value = std::to_string(value), .unit = "bytes", .origin = std::move(default_origin)};
}

SettingRow count(const char* key, uint64_t value) {
  return {.key = key, .value = std::to_string(value), .unit = "", .origin = "default"};
}

SettingRow time(const char* key, Duration value) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(value).count();
  return {.key = key, .value = std::to_string(ms), .unit = "ms", .origin = "default"};
}

SettingRow text(const char* key, std::string value, const char* default_origin = "default") {
  return {.key = key, .value = std::move(value), .unit = "", .origin = default_origin};
}

/// "none", or "4 x 8388608, 16 x 65536": how many, of how many bytes.
std::string stock_text(const std::vector<StockItem>& stock) {
  if (stock.empty()) return "none";
  std::string all;
  for (const StockItem& item : stock) all += fmt::format("{}{} x {}", all.empty() ? "" : ", ", item.count, item.size);
  return all;
}

}  // namespace

std::vector<SettingRow> describe_settings(const Settings& settings, const Limits& limits, uint64_t ram) {
  std::vector<SettingRow> rows = {
      text("device", settings.device),
      text("socket", settings.socket),
      text("admin_socket", admin_socket_path(settings), "default: beside the other socket"),
      text("log_level", settings.log_level),
      bytes("cache.max", limits.cache_max, share_of_ram("a quarter", ram)),
      time("cache.decay", settings.cache.decay),
      text("cache.headroom", fmt::format("{}", settings.cache.headroom)),
      time("local.decay", settings.local.decay),
      bytes("total.max", limits.total_max, share_of_ram("three quarters", ram)),
      text("pressure.enabled", settings.pressure.enabled ? "true" : "false"),
      bytes("client.bytes", limits.client.bytes, "default: user.bytes"),
      bytes("user.bytes", limits.user.bytes, "default: total.max"),
      bytes("client.addresses", limits.client.addresses, "default: half of user.addresses"),
      bytes("user.addresses", limits.user.addresses, "default: half of the board's"),
      count("client.bos", limits.client.bos),
      count("user.bos", limits.user.bos),
      count("client.requests", limits.client.requests),
      count("user.requests", limits.user.requests),
      count("client.fds", limits.client.fds),
      count("user.fds", limits.user.fds),
      text("stock", stock_text(settings.stock)),
      count("connections.per_user", settings.connections.per_user),
  };
  for (SettingRow& row : rows) {
    if (const auto set = settings.origins.find(row.key); set != settings.origins.end()) row.origin = set->second;
  }
  return rows;
}

}  // namespace panbo
