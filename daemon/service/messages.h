// What clients and administrators say to the service and hear from it: panbo.proto without protobuf. The transport's
// codec has checked the form of a message, that is its lengths and enums; the service checks what it means.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "daemon/core/clock.h"
#include "daemon/core/device.h"
#include "daemon/core/ids.h"
#include "daemon/core/stats.h"

namespace panbo {

/// How the kernel introduced a peer when it connected.
struct Peer {
  uint32_t uid = 0;
  /// For display only.
  int32_t pid = 0;
};

// From clients.

struct HelloRequest {
  uint32_t protocol_version = 0;
  std::string name;
  /// Wants a lease table.
  bool lease_table = false;
};

struct AllocItem {
  uint64_t size = 0;
  /// wire::AllocFlag values, unchecked.
  uint32_t flags = 0;
  /// For people. Valid UTF-8 without control characters, at most limits::kMaxNameBytes.
  std::string label;
  /// How many more of the same are welcome, unchecked.
  uint32_t extra = 0;
};

struct AllocRequest {
  std::vector<AllocItem> items;
  Duration timeout{};
};

struct ReleaseRequest {
  std::vector<LeaseId> leases;
  /// Somebody else had the BOs, and may have kept what nobody can see: they are not lent again.
  bool shared = false;
};

struct LeasesUnusedRequest {};

// From administrators.

struct StatsRequest {};
struct ClientsRequest {};
struct LabelsRequest {};

struct EvictAll {};
struct EvictBytes {
  uint64_t bytes = 0;
};
struct EvictUid {
  uint32_t uid = 0;
};
using EvictRequest = std::variant<EvictAll, EvictBytes, EvictUid>;

using ClientRequest = std::variant<HelloRequest, AllocRequest, ReleaseRequest, LeasesUnusedRequest>;
using AdminRequest = std::variant<StatsRequest, ClientsRequest, LabelsRequest, EvictRequest>;

// To clients.

struct WelcomeReply {
  uint32_t protocol_version = 0;
  ClientId client;
  uint64_t max_bo_size = 0;
  uint64_t page_size = 0;
  /// 0: there is no table.
  uint32_t lease_table_words = 0;
};

enum class Origin : uint8_t { kFresh, kCached, kWaited };

/// One lease on its way to its client. The transport exports the BO when it sends this, no earlier.
struct Grant {
  LeaseId lease;
  DeviceBo bo;
  Origin origin = Origin::kFresh;
  /// Its word in the lease table; 0: none.
  uint32_t slot = 0;
  /// For which item it comes in addition, counted from 1; 0: it is not an extra one.
  uint32_t extra_of = 0;
  /// What the kernel is to call the BO; nothing: it has that name already.
  std::optional<std::string> name;
};

struct GrantedReply {
  std::vector<Grant> grants;
};

enum class FailureKind : uint8_t {
  kInvalidArgument,
  kTimedOut,
  kOutOfMemory,
  kOverQuota,
  kNotPermitted,
  kUnknownLease,
  kProtocol,
  kNotSupported,
  kVersion,
  kDevice,
};

struct FailureReply {
  FailureKind kind = FailureKind::kDevice;
  /// A sentence for people.
  std::string message;
};

enum class Pressure : uint8_t {
  /// Some work waits for memory.
  kSome,
  /// All work waits for memory.
  kFull,
};

/// An event, not an answer: its request id is 0.
struct PressureEvent {
  Pressure pressure = Pressure::kSome;
};

using ClientReply = std::variant<WelcomeReply, GrantedReply, FailureReply, PressureEvent>;

// To administrators.

struct ClientRow {
  ClientId id;
  std::string name;
  Peer peer;
  Amount leased;
  /// Of those: unused, kept by the client.
  Amount local;
  /// Of those: taken from the client, who has not given them back.
  Amount taken;
  /// It is connected no more, and all there is of it is what it has left unread.
  bool gone = false;
  /// Of one that is gone: fds that it was sent and has not read.
  uint64_t unread_fds = 0;
};

struct ClientsReply {
  std::vector<ClientRow> clients;
};

/// What one client has under one label.
struct LabelRow {
  ClientId client;
  std::string client_name;
  /// Empty: without one.
  std::string label;
  Amount leased;
  /// It stands for so many labels, each with less than those that have rows of their own; 0: for the one.
  uint64_t others = 0;
};

struct LabelsReply {
  std::vector<LabelRow> labels;
};

struct EvictedReply {
  Amount evicted;
  /// Unused leases that were taken, which the clients have yet to give back.
  Amount asked_back;
  /// This was a piece of it, and there is more: who asked asks again, for what is left.
  bool more = false;

  EvictedReply& operator+=(const EvictedReply& next) {
    evicted += next.evicted;
    asked_back += next.asked_back;
    more = next.more;
    return *this;
  }
};

using AdminReply = std::variant<Stats, ClientsReply, LabelsReply, EvictedReply, FailureReply>;

}  // namespace panbo
