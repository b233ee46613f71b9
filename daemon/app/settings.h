// What panbod can be told, by its command line and its configuration file, and what it makes of that on this board.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/core/budget.h"
#include "daemon/core/clock.h"
#include "daemon/core/stock.h"

namespace panbo {

/// Something that the daemon was told makes no sense; what() says what to change. It cannot start before that has been
/// done.
class SettingsError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What the daemon finds does not let it start; what() says what. Another try may succeed.
class StartError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Those of spdlog.
inline constexpr std::array<std::string_view, 7> kLogLevels = {"trace", "debug",    "info", "warning",
                                                               "error", "critical", "off"};

/// The keys of the configuration file have the same names: cache.max is cache.max.
struct Settings {
  /// As for open_backend().
  std::string device = "auto";
  /// Paths of the sockets; those that systemd passes come first.
  std::string socket = "/run/panbo/panbo.sock";
  /// Nothing: admin.sock beside the other one.
  std::optional<std::string> admin_socket;
  /// One of kLogLevels.
  std::string log_level = "info";
  /// Where to record what clients do (recorder.h). Nothing: it is not recorded. Only on the command line.
  std::optional<std::string> record;

  struct Cache {
    /// Most bytes of ready BOs. Nothing: a quarter of the RAM.
    std::optional<uint64_t> max;
    /// How long an unused cache takes from full to nothing.
    Duration decay = std::chrono::seconds(10);
    /// Ready BOs take at most this share of the memory that the board has left; 0 switches that off.
    double headroom = 0.25;
  } cache;

  struct Local {
    /// How long a client may keep a lease unused. 0: clients keep nothing.
    Duration decay = std::chrono::seconds(1);
  } local;

  struct Total {
    /// Most bytes of BOs in all states. Nothing: three quarters of the RAM.
    std::optional<uint64_t> max;
  } total;

  struct Pressure {
    /// Whether the kernel's word on pressure (PSI, the service's memory.events) is listened to.
    bool enabled = true;
  } pressure;

  /// What one client, and all clients of one user, may have.
  struct Quota {
    /// Nothing: total.max.
    std::optional<uint64_t> bytes;
    /// Bytes of GPU address space. Nothing: half of the board's for a user, half of its user's for a client.
    std::optional<uint64_t> addresses;
    uint64_t bos = 0;
    uint64_t requests = 0;
    uint64_t fds = 0;
  };
  Quota client{.bytes = {}, .addresses = {}, .bos = 16384, .requests = 64, .fds = 128};
  Quota user{.bytes = {}, .addresses = {}, .bos = 65536, .requests = 256, .fds = 1024};
  /// What to have in stock.
  std::vector<StockItem> stock;
  struct Connections {
    /// Clients that one user may have connected.
    uint64_t per_user = 256;
  } connections;

  /// Where a setting was made, by its key: "/etc/panbo/panbod.toml:3", "--device". Those that are not in it have their
  /// defaults.
  std::map<std::string, std::string> origins;
};

/// The limits in force, with every default filled in.
struct Limits {
  uint64_t cache_max = 0;
  uint64_t total_max = 0;
  Cost client;
  Cost user;
};

/// `ram`: bytes that the daemon may count on. Throws SettingsError, naming the keys, for limits that are larger than
/// that or contradict each other.
[[nodiscard]] Limits resolve_limits(const Settings& settings, uint64_t ram);

/// The admin socket's path in any case.
[[nodiscard]] std::string admin_socket_path(const Settings& settings);

}  // namespace panbo
