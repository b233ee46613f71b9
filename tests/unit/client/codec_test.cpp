// Every message of the client socket passes between the two implementations of panbo.proto: protozero in libpanbo, and
// libprotobuf in the daemon. Fields of other messages, and of newer versions of these, are skipped.

#include "client/lib/codec.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "panbo.pb.h"

namespace panbo::codec {
namespace {

constexpr uint64_t kBig = std::numeric_limits<uint64_t>::max();
constexpr uint32_t kBig32 = std::numeric_limits<uint32_t>::max();

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

wire::Envelope parsed(std::span<const std::byte> packet) {
  wire::Envelope envelope;
  EXPECT_TRUE(envelope.ParseFromArray(packet.data(), static_cast<int>(packet.size())));
  return envelope;
}

template <class Body>
Body decoded(const std::string& packet) {
  const auto message = decode(bytes_of(packet));
  EXPECT_TRUE(message && std::holds_alternative<Body>(message->body));
  return message && std::holds_alternative<Body>(message->body) ? std::get<Body>(message->body) : Body{};
}

/// Fields that no message has: of each wire type, with a number that is far away.
const std::string kUnknownFields = std::string("\xa0\x9c\x01\x05", 4) +                               // 2500: varint 5
                                   std::string("\xa1\x9c\x01\x01\x02\x03\x04\x05\x06\x07\x08", 11) +  // 2500: 64 bits
                                   std::string("\xa2\x9c\x01\x02hi", 6) +                             // 2500: 2 bytes
                                   std::string("\xa5\x9c\x01\x01\x02\x03\x04", 7);                    // 2500: 32 bits

/// An Envelope whose body is `body`, as field `number` < 32.
std::string envelope_of(int number, const std::string& body) {
  std::string packet = kUnknownFields;
  const auto tag = static_cast<uint32_t>(number << 3 | 2);
  packet.push_back(static_cast<char>((tag & 0x7f) | 0x80));
  packet.push_back(static_cast<char>(tag >> 7));
  packet.push_back(static_cast<char>(body.size()));
  return packet + body;
}

class CodecTest : public testing::Test {
 protected:
  PacketBuffer buffer_;
};

TEST_F(CodecTest, ProtobufReadsHello) {
  const auto envelope = parsed(encode_hello(kBig, kBig32, "name", true, buffer_));
  EXPECT_EQ(envelope.request_id(), kBig);
  EXPECT_EQ(envelope.hello().protocol_version(), kBig32);
  EXPECT_EQ(envelope.hello().name(), "name");
  EXPECT_TRUE(envelope.hello().lease_table());
  const auto plain = parsed(encode_hello(1, 1, "", false, buffer_));
  EXPECT_TRUE(plain.hello().name().empty());
  EXPECT_FALSE(plain.hello().lease_table());
}

TEST_F(CodecTest, ProtobufReadsAlloc) {
  const AllocItem items[] = {{.size = kBig, .flags = kBig32, .label = "label", .extra = kBig32}, {}};
  const auto envelope = parsed(encode_alloc(7, items, kBig, buffer_));
  EXPECT_EQ(envelope.request_id(), 7u);
  EXPECT_EQ(envelope.alloc().timeout_ns(), kBig);
  ASSERT_EQ(envelope.alloc().items_size(), 2);
  EXPECT_EQ(envelope.alloc().items(0).size(), kBig);
  EXPECT_EQ(envelope.alloc().items(0).flags(), kBig32);
  EXPECT_EQ(envelope.alloc().items(0).label(), "label");
  EXPECT_EQ(envelope.alloc().items(0).extra(), kBig32);
  EXPECT_EQ(envelope.alloc().items(1).size(), 0u);
  EXPECT_EQ(envelope.alloc().items(1).flags(), 0u);
  EXPECT_TRUE(envelope.alloc().items(1).label().empty());
  EXPECT_EQ(parsed(encode_alloc(7, items, 0, buffer_)).alloc().timeout_ns(), 0u);
}

TEST_F(CodecTest, ProtobufReadsRelease) {
  const uint64_t leases[] = {1, kBig, 0};
  const auto envelope = parsed(encode_release(leases, false, buffer_));
  EXPECT_EQ(envelope.request_id(), 0u);
  EXPECT_EQ(std::vector(envelope.release().lease_ids().begin(), envelope.release().lease_ids().end()),
            std::vector<uint64_t>({1, kBig, 0}));
  EXPECT_FALSE(envelope.release().shared());
  EXPECT_TRUE(parsed(encode_release(leases, true, buffer_)).release().shared());
}

TEST_F(CodecTest, ProtobufReadsLeasesUnused) {
  EXPECT_TRUE(parsed(encode_leases_unused(buffer_)).has_leases_unused());
}

TEST_F(CodecTest, TheLargestMessagesFitAPacket) {
  const std::string label(1000, 'x');
  const std::vector<AllocItem> items(limits::kMaxBatch,
                                     {.size = kBig, .flags = kBig32, .label = label, .extra = kBig32});
  EXPECT_EQ(parsed(encode_alloc(kBig, items, kBig, buffer_)).alloc().items_size(), static_cast<int>(limits::kMaxBatch));
  const std::vector<uint64_t> leases(limits::kMaxReleases, kBig);
  EXPECT_EQ(parsed(encode_release(leases, true, buffer_)).release().lease_ids_size(),
            static_cast<int>(limits::kMaxReleases));
}

TEST_F(CodecTest, ProtobufReadsTextsThatWereNoUtf8) {
  EXPECT_EQ(parsed(encode_hello(1, 1, "caf\xe9", false, buffer_)).hello().name(), "caf?");
  const AllocItem items[] = {{.size = 1, .label = "\xff"}};
  EXPECT_EQ(parsed(encode_alloc(1, items, 0, buffer_)).alloc().items(0).label(), "?");
}

TEST_F(CodecTest, ReadsWelcome) {
  wire::Envelope envelope;
  envelope.set_request_id(kBig);
  wire::Welcome& sent = *envelope.mutable_welcome();
  EXPECT_EQ(decoded<Welcome>(envelope.SerializeAsString()).protocol_version, 0u);
  sent.set_protocol_version(kBig32);
  sent.set_daemon_version("1.2.3");
  sent.set_client_id(kBig);
  sent.set_max_bo_size(kBig - 1);
  sent.set_page_size(kBig - 2);
  sent.set_lease_table_words(kBig32 - 1);
  const std::string packet = envelope.SerializeAsString();
  EXPECT_EQ(decode(bytes_of(packet))->request_id, kBig);
  const auto welcome = decoded<Welcome>(packet);
  EXPECT_EQ(welcome.protocol_version, kBig32);
  EXPECT_EQ(welcome.daemon_version, "1.2.3");
  EXPECT_EQ(welcome.client_id, kBig);
  EXPECT_EQ(welcome.max_bo_size, kBig - 1);
  EXPECT_EQ(welcome.page_size, kBig - 2);
  EXPECT_EQ(welcome.lease_table_words, kBig32 - 1);
}

TEST_F(CodecTest, ReadsGranted) {
  wire::Envelope envelope;
  wire::Granted& sent = *envelope.mutable_granted();
  EXPECT_EQ(decoded<Granted>(envelope.SerializeAsString()).size(), 0u);
  wire::Grant& full = *sent.add_grants();
  full.set_lease_id(kBig);
  full.set_size(kBig - 1);
  full.set_inode(kBig - 2);
  full.set_origin(wire::ORIGIN_WAITED);
  full.set_slot(kBig32);
  full.set_extra_of(kBig32 - 1);
  sent.add_grants();
  const auto granted = decoded<Granted>(envelope.SerializeAsString());
  ASSERT_EQ(granted.size(), 2u);
  EXPECT_EQ(granted[0].lease_id, kBig);
  EXPECT_EQ(granted[0].size, kBig - 1);
  EXPECT_EQ(granted[0].inode, kBig - 2);
  EXPECT_EQ(granted[0].origin, wire::ORIGIN_WAITED);
  EXPECT_EQ(granted[0].slot, kBig32);
  EXPECT_EQ(granted[0].extra_of, kBig32 - 1);
  EXPECT_EQ(granted[1].lease_id, 0u);
  EXPECT_EQ(granted[1].origin, wire::ORIGIN_UNKNOWN);
}

TEST_F(CodecTest, ReadsAsManyGrantsAsAPacketMayHave) {
  wire::Envelope envelope;
  for (size_t i = 0; i < limits::kMaxBatch; ++i) envelope.mutable_granted()->add_grants()->set_lease_id(i);
  EXPECT_EQ(decoded<Granted>(envelope.SerializeAsString()).back().lease_id, limits::kMaxBatch - 1);
  envelope.mutable_granted()->add_grants();
  EXPECT_FALSE(decode(bytes_of(envelope.SerializeAsString())));
}

TEST_F(CodecTest, ReadsFailure) {
  wire::Envelope envelope;
  wire::Failure& sent = *envelope.mutable_failure();
  EXPECT_EQ(decoded<Failure>(envelope.SerializeAsString()).code, FailureCode::kUnknown);
  sent.set_message("a sentence");
  for (int code = wire::FailureCode_MIN; code <= wire::FailureCode_MAX + 1; ++code) {
    sent.set_code(static_cast<wire::FailureCode>(code));
    const std::string packet = envelope.SerializeAsString();
    EXPECT_EQ(static_cast<int>(decoded<Failure>(packet).code), code);
    EXPECT_EQ(decoded<Failure>(packet).message, "a sentence");
  }
}

TEST_F(CodecTest, ReadsPressureEvent) {
  wire::Envelope envelope;
  wire::PressureEvent& sent = *envelope.mutable_pressure_event();
  EXPECT_EQ(decoded<PressureEvent>(envelope.SerializeAsString()).level, wire::PRESSURE_LEVEL_NONE);
  sent.set_level(wire::PRESSURE_LEVEL_FULL);
  EXPECT_EQ(decoded<PressureEvent>(envelope.SerializeAsString()).level, wire::PRESSURE_LEVEL_FULL);
}

TEST_F(CodecTest, SkipsFieldsThatItDoesNotKnow) {
  wire::Welcome welcome;
  welcome.set_client_id(5);
  EXPECT_EQ(decoded<Welcome>(envelope_of(16, kUnknownFields + welcome.SerializeAsString())).client_id, 5u);
  wire::Failure failure;
  failure.set_code(wire::FAILURE_DEVICE);
  EXPECT_EQ(decoded<Failure>(envelope_of(18, kUnknownFields + failure.SerializeAsString())).code, FailureCode::kDevice);
  wire::PressureEvent event;
  event.set_level(wire::PRESSURE_LEVEL_SOME);
  EXPECT_EQ(decoded<PressureEvent>(envelope_of(19, kUnknownFields + event.SerializeAsString())).level,
            wire::PRESSURE_LEVEL_SOME);
  wire::Grant grant;
  grant.set_lease_id(6);
  const std::string body = kUnknownFields + grant.SerializeAsString();
  const std::string granted = kUnknownFields + '\x0a' + static_cast<char>(body.size()) + body;
  EXPECT_EQ(decoded<Granted>(envelope_of(17, granted))[0].lease_id, 6u);
}

TEST_F(CodecTest, SkipsAKnownFieldOfAnUnknownType) {
  // protocol_version as two bytes, daemon_version as a number; then client_id as it should be.
  const std::string welcome("\x0a\x02hi\x10\x07\x18\x09", 8);
  const std::string packet = envelope_of(16, welcome);
  const auto decoded_welcome = decoded<Welcome>(packet);
  EXPECT_EQ(decoded_welcome.protocol_version, 0u);
  EXPECT_TRUE(decoded_welcome.daemon_version.empty());
  EXPECT_EQ(decoded_welcome.client_id, 9u);
}

TEST_F(CodecTest, ReadsTheIdOfABodyThatItDoesNotKnow) {
  wire::Envelope envelope;
  envelope.set_request_id(3);
  envelope.mutable_stats()->set_backend("sim");
  const std::string packet = envelope.SerializeAsString();
  ASSERT_TRUE(decode(bytes_of(packet)));
  EXPECT_EQ(decode(bytes_of(packet))->request_id, 3u);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(decode(bytes_of(packet))->body));
  EXPECT_EQ(decode_request_id(bytes_of(packet)), 3u);
}

// Some prefixes are whole messages; what matters is that none is read past its end, which the sanitizers tell.
TEST_F(CodecTest, SurvivesTruncationAtEveryByte) {
  wire::Envelope envelope;
  envelope.set_request_id(kBig);
  for (int i = 0; i < 3; ++i) {
    wire::Grant& grant = *envelope.mutable_granted()->add_grants();
    grant.set_lease_id(kBig);
    grant.set_inode(kBig);
  }
  const std::string packet = envelope.SerializeAsString();
  for (size_t size = 0; size < packet.size(); ++size) {
    const std::vector<char> cut(packet.begin(), packet.begin() + static_cast<ptrdiff_t>(size));
    const auto message = decode(std::as_bytes(std::span(cut)));
    const auto* granted = message ? std::get_if<Granted>(&message->body) : nullptr;
    EXPECT_TRUE(granted == nullptr || granted->size() < 3) << size;
  }
  EXPECT_FALSE(decode(bytes_of(packet.substr(0, packet.size() - 1))));
  EXPECT_FALSE(decode_request_id(bytes_of(packet.substr(0, packet.size() - 1))));
}

}  // namespace
}  // namespace panbo::codec
