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

[[nodiscard]] std::string encode(RequestId request, const DaemonInfo& daemon, const WelcomeReply& welcome);
/// `inodes` are those of the fds that go along, in the order of the grants.
[[nodiscard]] std::string encode(RequestId request, const GrantedReply& granted, std::span<const uint64_t> inodes);
[[nodiscard]] std::string encode(RequestId request, const FailureReply& failure);
[[nodiscard]] std::string encode(RequestId request, const PressureEvent& event);

/// As many packets as the answer needs.
[[nodiscard]] std::vector<std::string> encode(RequestId request, const DaemonInfo& daemon, const AdminReply& reply);
/// The answer to Simulate.
[[nodiscard]] std::string encode_simulated(RequestId request);

}  // namespace panbo
