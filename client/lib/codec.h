// The messages of the client socket, as panbo.proto defines them, to and from bytes.
//
// Nothing here allocates: requests are written into the caller's buffer, and answers refer to the packet's bytes. So a
// message can always be sent and understood, however short the process is of memory.
#pragma once

#include <array>
#include <boost/container/static_vector.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "proto/limits.h"

namespace panbo::codec {

/// Room for one packet.
using PacketBuffer = std::array<std::byte, limits::kMaxPacketBytes>;

// To the daemon. Each returns the part of the buffer that is the packet. Texts are sent as WireText makes them, so that
// the largest message that limits.h allows fits the buffer.

std::span<const std::byte> encode_hello(uint64_t request_id, uint32_t protocol_version, std::string_view name,
                                        bool lease_table, PacketBuffer& buffer);

struct AllocItem {
  /// In bytes.
  uint64_t size = 0;
  /// AllocFlag of panbo.proto; the same bits as PANBO_BO_*.
  uint32_t flags = 0;
  std::string_view label;
  /// How many more are welcome.
  uint32_t extra = 0;
};

/// At most limits::kMaxBatch items.
std::span<const std::byte> encode_alloc(uint64_t request_id, std::span<const AllocItem> items, uint64_t timeout_ns,
                                        PacketBuffer& buffer);

/// At most limits::kMaxReleases ids. `shared`: somebody else had the BOs.
std::span<const std::byte> encode_release(std::span<const uint64_t> lease_ids, bool shared, PacketBuffer& buffer);

std::span<const std::byte> encode_leases_unused(PacketBuffer& buffer);

// From the daemon.

struct Welcome {
  uint32_t protocol_version = 0;
  std::string_view daemon_version;
  uint64_t client_id = 0;
  uint64_t max_bo_size = 0;
  /// In bytes.
  uint64_t page_size = 0;
  uint32_t lease_table_words = 0;
};

struct Grant {
  uint64_t lease_id = 0;
  uint64_t size = 0;
  uint64_t inode = 0;
  /// Origin of panbo.proto; may be one that this library does not know.
  int32_t origin = 0;
  /// 0: none.
  uint32_t slot = 0;
  /// 0: it is not an extra one.
  uint32_t extra_of = 0;
};

using Granted = boost::container::static_vector<Grant, limits::kMaxBatch>;

/// FailureCode of panbo.proto.
enum class FailureCode : int32_t {
  kUnknown = 0,
  kInvalidArgument = 1,
  kTimedOut = 2,
  kOutOfMemory = 3,
  kOverQuota = 4,
  kNotPermitted = 5,
  kUnknownLease = 6,
  kProtocol = 7,
  kNotSupported = 8,
  kVersion = 9,
  kDevice = 10,
};

struct Failure {
  /// May be one that has no name here.
  FailureCode code = FailureCode::kUnknown;
  std::string_view message;
};

struct PressureEvent {
  /// PressureLevel of panbo.proto.
  int32_t level = 0;
};

struct Message {
  uint64_t request_id = 0;
  /// Nothing: a body that this library does not know.
  std::variant<std::monostate, Welcome, Granted, Failure, PressureEvent> body;
};

/// Texts in the message point into `packet`. Fields that are not known are skipped. Nothing: it is no Envelope, or has
/// more than limits::kMaxBatch grants.
std::optional<Message> decode(std::span<const std::byte> packet);

/// Only the id, without looking into the body.
std::optional<uint64_t> decode_request_id(std::span<const std::byte> packet);

}  // namespace panbo::codec
