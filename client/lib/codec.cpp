// protozero gives the encoding, this file the messages. It is not libprotobuf since that cannot be part of a library
// that is loaded into programs with a libprotobuf of their own.
//
// A field is recognised by its number and its wire type together: protozero checks bounds, but not that a field has
// the type that it is read as. What is not recognised is skipped, as a newer daemon may have more to say.
//
// Of a body that comes twice the last one counts. protobuf would merge the two; the daemon never sends that.

#include "client/lib/codec.h"

#include <protozero/basic_pbf_builder.hpp>
#include <protozero/buffer_fixed.hpp>
#include <protozero/pbf_message.hpp>

#include "client/lib/wire_text.h"

namespace panbo::codec {
namespace {

using protozero::pbf_tag_type;
using protozero::pbf_wire_type;
using protozero::tag_and_type;

// The field numbers of panbo.proto.
enum class EnvelopeField : pbf_tag_type {
  kRequestId = 1,
  kHello = 2,
  kAlloc = 3,
  kRelease = 4,
  kLeasesUnused = 5,
  kWelcome = 16,
  kGranted = 17,
  kFailure = 18,
  kPressureEvent = 19,
};
enum class HelloField : pbf_tag_type { kProtocolVersion = 1, kName = 2, kLeaseTable = 3 };
enum class AllocField : pbf_tag_type { kItems = 1, kTimeoutNs = 2 };
enum class AllocItemField : pbf_tag_type { kSize = 1, kFlags = 2, kLabel = 3, kExtra = 4 };
enum class ReleaseField : pbf_tag_type { kLeaseIds = 1, kShared = 2 };
enum class WelcomeField : pbf_tag_type {
  kProtocolVersion = 1,
  kDaemonVersion = 2,
  kClientId = 3,
  kMaxBoSize = 4,
  kPageSize = 5,
  kLeaseTableWords = 6,
};
enum class GrantedField : pbf_tag_type { kGrants = 1 };
enum class GrantField : pbf_tag_type { kLeaseId = 1, kSize = 2, kInode = 3, kOrigin = 4, kSlot = 5, kExtraOf = 6 };
enum class FailureField : pbf_tag_type { kCode = 1, kMessage = 2 };
enum class PressureEventField : pbf_tag_type { kLevel = 1 };

using Buffer = protozero::fixed_size_buffer_adaptor;
template <class Field>
using Builder = protozero::basic_pbf_builder<Buffer, Field>;
template <class Field>
using Reader = protozero::pbf_message<Field>;

Buffer buffer_over(PacketBuffer& buffer) {
  return Buffer(reinterpret_cast<char*>(buffer.data()), buffer.size());
}

std::span<const std::byte> written(const PacketBuffer& buffer, const Buffer& bytes) {
  return std::span(buffer).first(bytes.size());
}

template <class Field>
constexpr uint32_t varint(Field field) {
  return tag_and_type(field, pbf_wire_type::varint);
}

template <class Field>
constexpr uint32_t bytes(Field field) {
  return tag_and_type(field, pbf_wire_type::length_delimited);
}

template <class Field>
std::string_view text(Reader<Field>& reader) {
  const protozero::data_view view = reader.get_view();
  return {view.data(), view.size()};
}

Welcome read(Reader<WelcomeField> reader) {
  Welcome welcome;
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case varint(WelcomeField::kProtocolVersion):
        welcome.protocol_version = reader.get_uint32();
        break;
      case bytes(WelcomeField::kDaemonVersion):
        welcome.daemon_version = text(reader);
        break;
      case varint(WelcomeField::kClientId):
        welcome.client_id = reader.get_uint64();
        break;
      case varint(WelcomeField::kMaxBoSize):
        welcome.max_bo_size = reader.get_uint64();
        break;
      case varint(WelcomeField::kPageSize):
        welcome.page_size = reader.get_uint64();
        break;
      case varint(WelcomeField::kLeaseTableWords):
        welcome.lease_table_words = reader.get_uint32();
        break;
      default:
        reader.skip();
    }
  }
  return welcome;
}

Grant read(Reader<GrantField> reader) {
  Grant grant;
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case varint(GrantField::kLeaseId):
        grant.lease_id = reader.get_uint64();
        break;
      case varint(GrantField::kSize):
        grant.size = reader.get_uint64();
        break;
      case varint(GrantField::kInode):
        grant.inode = reader.get_uint64();
        break;
      case varint(GrantField::kOrigin):
        grant.origin = reader.get_enum();
        break;
      case varint(GrantField::kSlot):
        grant.slot = reader.get_uint32();
        break;
      case varint(GrantField::kExtraOf):
        grant.extra_of = reader.get_uint32();
        break;
      default:
        reader.skip();
    }
  }
  return grant;
}

struct TooManyGrants : protozero::exception {};

void read(Reader<GrantedField> reader, Granted& granted) {
  while (reader.next()) {
    if (reader.tag_and_type() == bytes(GrantedField::kGrants)) {
      if (granted.size() == limits::kMaxBatch) throw TooManyGrants();
      granted.push_back(read(Reader<GrantField>(reader.get_message())));
    } else {
      reader.skip();
    }
  }
}

Failure read(Reader<FailureField> reader) {
  Failure failure;
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case varint(FailureField::kCode):
        failure.code = static_cast<FailureCode>(reader.get_enum());
        break;
      case bytes(FailureField::kMessage):
        failure.message = text(reader);
        break;
      default:
        reader.skip();
    }
  }
  return failure;
}

PressureEvent read(Reader<PressureEventField> reader) {
  PressureEvent event;
  while (reader.next()) {
    if (reader.tag_and_type() == varint(PressureEventField::kLevel)) {
      event.level = reader.get_enum();
    } else {
      reader.skip();
    }
  }
  return event;
}

Message read(Reader<EnvelopeField> reader) {
  Message message;
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case varint(EnvelopeField::kRequestId):
        message.request_id = reader.get_uint64();
        break;
      case bytes(EnvelopeField::kWelcome):
        message.body = read(Reader<WelcomeField>(reader.get_message()));
        break;
      case bytes(EnvelopeField::kGranted):
        read(Reader<GrantedField>(reader.get_message()), message.body.emplace<Granted>());
        break;
      case bytes(EnvelopeField::kFailure):
        message.body = read(Reader<FailureField>(reader.get_message()));
        break;
      case bytes(EnvelopeField::kPressureEvent):
        message.body = read(Reader<PressureEventField>(reader.get_message()));
        break;
      default:
        reader.skip();
    }
  }
  return message;
}

Reader<EnvelopeField> reader_of(std::span<const std::byte> packet) {
  return Reader<EnvelopeField>(reinterpret_cast<const char*>(packet.data()), packet.size());
}

}  // namespace

std::span<const std::byte> encode_hello(uint64_t request_id, uint32_t protocol_version, std::string_view name,
                                        bool lease_table, PacketBuffer& buffer) {
  Buffer out = buffer_over(buffer);
  Builder<EnvelopeField> envelope(out);
  envelope.add_uint64(EnvelopeField::kRequestId, request_id);
  {
    Builder<HelloField> hello(envelope, EnvelopeField::kHello);
    hello.add_uint32(HelloField::kProtocolVersion, protocol_version);
    const WireText text(name);
    hello.add_string(HelloField::kName, text.view().data(), text.view().size());
    if (lease_table) hello.add_bool(HelloField::kLeaseTable, true);
  }
  return written(buffer, out);
}

std::span<const std::byte> encode_alloc(uint64_t request_id, std::span<const AllocItem> items, uint64_t timeout_ns,
                                        PacketBuffer& buffer) {
  Buffer out = buffer_over(buffer);
  Builder<EnvelopeField> envelope(out);
  envelope.add_uint64(EnvelopeField::kRequestId, request_id);
  {
    Builder<AllocField> alloc(envelope, EnvelopeField::kAlloc);
    for (const AllocItem& item : items) {
      Builder<AllocItemField> one(alloc, AllocField::kItems);
      one.add_uint64(AllocItemField::kSize, item.size);
      if (item.flags != 0) one.add_uint32(AllocItemField::kFlags, item.flags);
      const WireText label(item.label);
      if (!label.view().empty()) one.add_string(AllocItemField::kLabel, label.view().data(), label.view().size());
      if (item.extra != 0) one.add_uint32(AllocItemField::kExtra, item.extra);
    }
    if (timeout_ns != 0) alloc.add_uint64(AllocField::kTimeoutNs, timeout_ns);
  }
  return written(buffer, out);
}

std::span<const std::byte> encode_release(std::span<const uint64_t> lease_ids, bool shared, PacketBuffer& buffer) {
  Buffer out = buffer_over(buffer);
  Builder<EnvelopeField> envelope(out);
  {
    Builder<ReleaseField> release(envelope, EnvelopeField::kRelease);
    release.add_packed_uint64(ReleaseField::kLeaseIds, lease_ids.begin(), lease_ids.end());
    if (shared) release.add_bool(ReleaseField::kShared, true);
  }
  return written(buffer, out);
}

std::span<const std::byte> encode_leases_unused(PacketBuffer& buffer) {
  Buffer out = buffer_over(buffer);
  Builder<EnvelopeField> envelope(out);
  envelope.add_message(EnvelopeField::kLeasesUnused, "", 0);
  return written(buffer, out);
}

std::optional<Message> decode(std::span<const std::byte> packet) {
  try {
    return read(reader_of(packet));
  } catch (const protozero::exception&) {
    return std::nullopt;
  }
}

std::optional<uint64_t> decode_request_id(std::span<const std::byte> packet) {
  try {
    uint64_t id = 0;
    for (auto reader = reader_of(packet); reader.next();) {
      if (reader.tag_and_type() == varint(EnvelopeField::kRequestId)) {
        id = reader.get_uint64();
      } else {
        reader.skip();
      }
    }
    return id;
  } catch (const protozero::exception&) {
    return std::nullopt;
  }
}

}  // namespace panbo::codec
