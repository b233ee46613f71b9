// From packets to what the service is asked: panbo.proto on libprotobuf-lite.
//
// Checked here is the form of a message: that it parses, its lengths and its enums. A name or label is cut to
// limits::kMaxNameBytes and made harmless (printable.h): it goes to logs and terminals, and to the kernel as the
// name of a dma-buf.
#pragma once

#include <cstddef>
#include <span>
#include <variant>

#include "daemon/core/ids.h"
#include "daemon/service/messages.h"
#include "panbo.pb.h"

namespace panbo {

/// What is wrong with a packet.
struct Refusal {
  FailureReply failure;
  /// Whether the sender is past talking to.
  bool ends_connection = false;
};

/// One packet that came: who asks for what, or why it is refused.
template <class Message>
struct Incoming {
  RequestId request;
  std::variant<Message, Refusal> content;
};

/// What the transport answers itself.
struct ConfigRequest {};

using AdminMessage = std::variant<AdminRequest, wire::Simulate, ConfigRequest>;

[[nodiscard]] Incoming<ClientRequest> decode_client(std::span<const std::byte> packet);
[[nodiscard]] Incoming<AdminMessage> decode_admin(std::span<const std::byte> packet);

}  // namespace panbo
