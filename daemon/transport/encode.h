// From the service's answers to packets: panbo.proto on libprotobuf-lite. No packet exceeds limits::kMaxPacketBytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "daemon/core/ids.h"
#include "daemon/service/messages.h"

namespace panbo {

/// How the daemon introduces itself.
struct DaemonInfo {
  std::string version;
  std::string backend;
  std::string driver;
  std::string node;
};

/// One of the daemon's settings, for an administrator. What they are the transport does not know.
struct SettingRow {
  std::string key;
  std::string value;
  /// "bytes", "ms" or empty.
  std::string unit;
  /// Where the value comes from.
  std::string origin;
};

[[nodiscard]] std::string encode(RequestId request, const DaemonInfo& daemon, const WelcomeReply& welcome);
/// `inodes` are those of the fds that go along, in the order of the grants.
[[nodiscard]] std::string encode(RequestId request, const GrantedReply& granted, std::span<const uint64_t> inodes);
[[nodiscard]] std::string encode(RequestId request, const FailureReply& failure);
[[nodiscard]] std::string encode(RequestId request, const PressureEvent& event);

/// As many packets as the answer needs.
[[nodiscard]] std::vector<std::string> encode(RequestId request, const DaemonInfo& daemon, const AdminReply& reply);
[[nodiscard]] std::vector<std::string> encode(RequestId request, const std::vector<SettingRow>& settings);
/// The answer to Simulate.
[[nodiscard]] std::string encode_simulated(RequestId request);

}  // namespace panbo
