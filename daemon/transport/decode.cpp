// Plain translation, one function a message. What is out of form is refused here, what makes no sense is refused by the
// service; so no number is believed before one of the two has looked at it.

#include "daemon/transport/decode.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "daemon/service/alloc_flags.h"
#include "proto/cut_utf8.h"
#include "proto/limits.h"
#include "proto/printable.h"

namespace panbo {
namespace {

static_assert(kAllocExecutable == wire::ALLOC_FLAG_EXECUTABLE);
static_assert(kAllocHeap == wire::ALLOC_FLAG_HEAP);
static_assert(kAllocZeroed == wire::ALLOC_FLAG_ZEROED);

Refusal malformed(const char* why) {
  return {.failure = {FailureKind::kProtocol, why}, .ends_connection = true};
}

std::string clean(const std::string& text) {
  return harmless(cut_utf8(text, limits::kMaxNameBytes));
}

/// Bits for which the service has no room are unknown ones, for the service to refuse like any other.
uint32_t flags_of(const wire::AllocItem& item) {
  return static_cast<uint32_t>(std::min<uint64_t>(item.flags(), std::numeric_limits<uint32_t>::max()));
}

Duration duration(uint64_t ns) {
  return Duration(static_cast<int64_t>(std::min<uint64_t>(ns, std::numeric_limits<int64_t>::max())));
}

std::variant<ClientRequest, Refusal> from_wire(const wire::Alloc& alloc) {
  if (static_cast<size_t>(alloc.items_size()) > limits::kMaxBatch) return malformed("more items than a batch may have");
  AllocRequest request{.items = {}, .timeout = duration(alloc.timeout_ns())};
  request.items.reserve(static_cast<size_t>(alloc.items_size()));
  for (const wire::AllocItem& item : alloc.items()) {
    request.items.push_back(
        {.size = item.size(), .flags = flags_of(item), .label = clean(item.label()), .extra = item.extra()});
  }
  return ClientRequest{std::move(request)};
}

std::variant<ClientRequest, Refusal> from_wire(const wire::Release& release) {
  if (static_cast<size_t>(release.lease_ids_size()) > limits::kMaxReleases) {
    return malformed("more leases than one Release may have");
  }
  ReleaseRequest request;
  request.leases.reserve(static_cast<size_t>(release.lease_ids_size()));
  for (const uint64_t lease : release.lease_ids()) request.leases.push_back(LeaseId{lease});
  request.shared = release.shared();
  return ClientRequest{std::move(request)};
}

std::variant<AdminMessage, Refusal> from_wire(const wire::Evict& evict) {
  switch (evict.what_case()) {
    case wire::Evict::kAll:
      if (!evict.all()) break;
      return AdminMessage{AdminRequest{EvictRequest{EvictAll{}}}};
    case wire::Evict::kBytes:
      return AdminMessage{AdminRequest{EvictRequest{EvictBytes{evict.bytes()}}}};
    case wire::Evict::kUid:
      return AdminMessage{AdminRequest{EvictRequest{EvictUid{evict.uid()}}}};
    case wire::Evict::WHAT_NOT_SET:
      break;
  }
  return Refusal{.failure = {FailureKind::kInvalidArgument, "evict what?"}};
}

bool is_client_request(const wire::Envelope& envelope) {
  return envelope.has_hello() || envelope.has_alloc() || envelope.has_release() || envelope.has_leases_unused();
}

bool is_admin_request(const wire::Envelope& envelope) {
  return envelope.has_get_stats() || envelope.has_get_clients() || envelope.has_evict() || envelope.has_simulate() ||
         envelope.has_get_config() || envelope.has_get_labels();
}

Refusal unknown_request() {
  return {.failure = {FailureKind::kNotSupported, "this daemon does not know this request"}};
}

std::variant<ClientRequest, Refusal> client_content(const wire::Envelope& envelope) {
  switch (envelope.body_case()) {
    case wire::Envelope::kHello:
      return ClientRequest{HelloRequest{.protocol_version = envelope.hello().protocol_version(),
                                        .name = clean(envelope.hello().name()),
                                        .lease_table = envelope.hello().lease_table()}};
    case wire::Envelope::kAlloc:
      return from_wire(envelope.alloc());
    case wire::Envelope::kRelease:
      return from_wire(envelope.release());
    case wire::Envelope::kLeasesUnused:
      return ClientRequest{LeasesUnusedRequest{}};
    default:
      if (is_admin_request(envelope)) {
        return Refusal{.failure = {FailureKind::kNotPermitted, "this request belongs on the admin socket"}};
      }
      return unknown_request();
  }
}

std::variant<AdminMessage, Refusal> admin_content(const wire::Envelope& envelope) {
  switch (envelope.body_case()) {
    case wire::Envelope::kGetStats:
      return AdminMessage{AdminRequest{StatsRequest{}}};
    case wire::Envelope::kGetClients:
      return AdminMessage{AdminRequest{ClientsRequest{}}};
    case wire::Envelope::kGetLabels:
      return AdminMessage{AdminRequest{LabelsRequest{}}};
    case wire::Envelope::kEvict:
      return from_wire(envelope.evict());
    case wire::Envelope::kSimulate:
      return AdminMessage{envelope.simulate()};
    case wire::Envelope::kGetConfig:
      return AdminMessage{ConfigRequest{}};
    default:
      if (is_client_request(envelope)) {
        return Refusal{.failure = {FailureKind::kNotPermitted, "this request belongs on the client socket"}};
      }
      return unknown_request();
  }
}

template <class Message, class Content>
Incoming<Message> decode(std::span<const std::byte> packet, Content content) {
  wire::Envelope envelope;
  if (!envelope.ParseFromArray(packet.data(), static_cast<int>(packet.size()))) {
    return {.request = {}, .content = malformed("the packet is not a message of panbo.proto")};
  }
  return {.request = RequestId{envelope.request_id()}, .content = content(envelope)};
}

}  // namespace

Incoming<ClientRequest> decode_client(std::span<const std::byte> packet) {
  return decode<ClientRequest>(packet, client_content);
}

Incoming<AdminMessage> decode_admin(std::span<const std::byte> packet) {
  return decode<AdminMessage>(packet, admin_content);
}

}  // namespace panbo
