// Warnings that clients cause. A user whose clients misbehave, reconnect and misbehave again must not fill the log.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "daemon/core/clock.h"
#include "daemon/service/messages.h"

namespace panbo {

/// How the log calls a client: "client 3 'weston' (uid 1000, pid 42)". The name is the client's own word, so it is
/// quoted; empty: it has not said one.
[[nodiscard]] std::string describe_client(ClientId client, std::string_view name, const Peer& peer);

class ClientLog {
 public:
  /// Most lines that the clients of one user cause in a window.
  static constexpr uint64_t kLines = 20;
  static constexpr Duration kWindow = std::chrono::minutes(1);

  /// Logs it, unless the user had that many lines. The first line of the next window is preceded by how many were left
  /// out.
  void warn(uint32_t uid, const std::string& text, Time now = std::chrono::steady_clock::now());

 private:
  struct User {
    Time since;
    uint64_t lines = 0;
  };

  /// By uid; those whose window is over go when another one comes.
  std::unordered_map<uint32_t, User> users_;
};

}  // namespace panbo
