// Packets that clients and administrators may send: what is well-formed at its limits, and what is beyond them.

#include "daemon/transport/decode.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "proto/limits.h"

namespace panbo {
namespace {

using std::string;

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

std::span<const std::byte> bytes_of(const string& packet) {
  return std::as_bytes(std::span(packet));
}

Incoming<ClientRequest> from_client(const wire::Envelope& envelope) {
  const string packet = envelope.SerializeAsString();
  return decode_client(bytes_of(packet));
}

Incoming<AdminMessage> from_admin(const wire::Envelope& envelope) {
  const string packet = envelope.SerializeAsString();
  return decode_admin(bytes_of(packet));
}

template <class Request>
Request request_in(const Incoming<ClientRequest>& incoming) {
  return std::get<Request>(std::get<ClientRequest>(incoming.content));
}

template <class Message>
Refusal refusal_in(const Incoming<Message>& incoming) {
  return std::get<Refusal>(incoming.content);
}

template <class Message>
bool is_malformed(const Incoming<Message>& incoming) {
  const auto* refusal = std::get_if<Refusal>(&incoming.content);
  return refusal != nullptr && refusal->failure.kind == FailureKind::kProtocol && refusal->ends_connection;
}

wire::Envelope alloc_of(size_t items) {
  wire::Envelope envelope;
  envelope.mutable_alloc();
  for (size_t i = 0; i < items; ++i) envelope.mutable_alloc()->add_items()->set_size(i);
  return envelope;
}

wire::Envelope release_of(size_t leases) {
  wire::Envelope envelope;
  envelope.mutable_release();
  for (size_t i = 0; i < leases; ++i) envelope.mutable_release()->add_lease_ids(i);
  return envelope;
}

string decoded_name(const string& name) {
  wire::Envelope envelope;
  envelope.mutable_hello()->set_name(name);
  return request_in<HelloRequest>(from_client(envelope)).name;
}

string decoded_label(const string& label) {
  wire::Envelope envelope = alloc_of(1);
  envelope.mutable_alloc()->mutable_items(0)->set_label(label);
  return request_in<AllocRequest>(from_client(envelope)).items.at(0).label;
}

TEST(Decode, AHelloSaysVersionAndName) {
  wire::Envelope envelope;
  envelope.set_request_id(7);
  envelope.mutable_hello()->set_protocol_version(std::numeric_limits<uint32_t>::max());
  envelope.mutable_hello()->set_name("weston");
  const auto incoming = from_client(envelope);
  EXPECT_EQ(incoming.request, RequestId{7});
  EXPECT_EQ(request_in<HelloRequest>(incoming).protocol_version, std::numeric_limits<uint32_t>::max());
  EXPECT_EQ(request_in<HelloRequest>(incoming).name, "weston");
  EXPECT_FALSE(request_in<HelloRequest>(incoming).lease_table);
  envelope.mutable_hello()->set_lease_table(true);
  EXPECT_TRUE(request_in<HelloRequest>(from_client(envelope)).lease_table);
}

TEST(Decode, LeasesUnusedSaysNothingMore) {
  wire::Envelope envelope;
  envelope.mutable_leases_unused();
  EXPECT_TRUE(std::holds_alternative<LeasesUnusedRequest>(std::get<ClientRequest>(from_client(envelope).content)));
}

TEST(Decode, HowManyExtraOnesAreWelcome) {
  wire::Envelope envelope = alloc_of(2);
  envelope.mutable_alloc()->mutable_items(1)->set_extra(UINT32_MAX);
  const auto items = request_in<AllocRequest>(from_client(envelope)).items;
  EXPECT_EQ(items.at(0).extra, 0u);
  EXPECT_EQ(items.at(1).extra, UINT32_MAX);
}

TEST(Decode, NumbersOfAnAllocComeAsTheyWereSent) {
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, kMax - 1, kMax}) {
    wire::Envelope envelope;
    envelope.set_request_id(size);
    wire::AllocItem& item = *envelope.mutable_alloc()->add_items();
    item.set_size(size);
    item.set_flags(static_cast<uint32_t>(size));
    const auto incoming = from_client(envelope);
    const auto alloc = request_in<AllocRequest>(incoming);
    EXPECT_EQ(incoming.request, RequestId{size});
    EXPECT_EQ(alloc.items.at(0).size, size);
    EXPECT_EQ(alloc.items.at(0).flags, static_cast<uint32_t>(size)) << "unknown flags are for the service to refuse";
  }
}

TEST(Decode, NoFlagIsLostBecauseItIsTooLarge) {
  // Request 0: Alloc with one item of size 1, whose flags are a number of 64 bits.
  for (const int bit : {0, 31, 32, 33, 63}) {
    string flags;
    for (uint64_t rest = uint64_t{1} << bit; rest != 0; rest >>= 7) {
      flags += static_cast<char>((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    }
    const string item = "\x08\x01\x10" + flags;
    const string items = string("\x0a") + static_cast<char>(item.size()) + item;
    const auto incoming = decode_client(bytes_of(string("\x1a") + static_cast<char>(items.size()) + items));
    const uint32_t decoded = request_in<AllocRequest>(incoming).items.at(0).flags;
    EXPECT_EQ(decoded, bit < 32 ? uint32_t{1} << bit : UINT32_MAX) << "bit " << bit;
  }
}

TEST(Decode, ATimeoutBeyondWhatTimeCanSayIsTheLongestThere) {
  const auto timeout = [](uint64_t ns) {
    wire::Envelope envelope = alloc_of(1);
    envelope.mutable_alloc()->set_timeout_ns(ns);
    return request_in<AllocRequest>(from_client(envelope)).timeout;
  };
  constexpr auto kLongest = static_cast<uint64_t>(Duration::max().count());
  EXPECT_EQ(timeout(0), Duration::zero());
  EXPECT_EQ(timeout(1), Duration(1));
  EXPECT_EQ(timeout(kLongest - 1), Duration::max() - Duration(1));
  EXPECT_EQ(timeout(kLongest), Duration::max());
  EXPECT_EQ(timeout(kLongest + 1), Duration::max());
  EXPECT_EQ(timeout(kMax), Duration::max());
}

TEST(Decode, ABatchHasALimit) {
  const auto most = request_in<AllocRequest>(from_client(alloc_of(limits::kMaxBatch)));
  ASSERT_EQ(most.items.size(), limits::kMaxBatch);
  for (size_t i = 0; i < most.items.size(); ++i) EXPECT_EQ(most.items[i].size, i);
  EXPECT_TRUE(is_malformed(from_client(alloc_of(limits::kMaxBatch + 1))));
  EXPECT_TRUE(request_in<AllocRequest>(from_client(alloc_of(0))).items.empty()) << "for the service to refuse";
}

TEST(Decode, AReleaseSaysWhetherTheBosWereShared) {
  wire::Envelope envelope = release_of(2);
  EXPECT_FALSE(request_in<ReleaseRequest>(from_client(envelope)).shared);
  envelope.mutable_release()->set_shared(true);
  EXPECT_TRUE(request_in<ReleaseRequest>(from_client(envelope)).shared);
}

TEST(Decode, AReleaseHasALimit) {
  const auto most = request_in<ReleaseRequest>(from_client(release_of(limits::kMaxReleases)));
  ASSERT_EQ(most.leases.size(), limits::kMaxReleases);
  for (size_t i = 0; i < most.leases.size(); ++i) EXPECT_EQ(most.leases[i], LeaseId{i});
  EXPECT_TRUE(is_malformed(from_client(release_of(limits::kMaxReleases + 1))));
}

TEST(Decode, ReleasesOfTheLargestLeasesFitIntoAPacket) {
  wire::Envelope envelope;
  envelope.set_request_id(kMax);
  for (size_t i = 0; i < limits::kMaxReleases; ++i) envelope.mutable_release()->add_lease_ids(kMax - i);
  EXPECT_LE(envelope.ByteSizeLong(), limits::kMaxPacketBytes);
  EXPECT_EQ(request_in<ReleaseRequest>(from_client(envelope)).leases.front(), LeaseId{kMax});
}

TEST(Decode, ALongNameIsCut) {
  const string longest(limits::kMaxNameBytes, 'n');
  EXPECT_EQ(decoded_name(longest), longest);
  EXPECT_EQ(decoded_name(longest + "n"), longest);
  EXPECT_EQ(decoded_label(longest), longest);
  EXPECT_EQ(decoded_label(longest + "n"), longest);
  EXPECT_EQ(decoded_name(string(10'000, 'n')), longest);
}

TEST(Decode, ANameIsNotCutWithinACharacter) {
  for (const string character : {"\u00e9", "\u20ac", "\U0001f642"}) {
    for (size_t before = limits::kMaxNameBytes - character.size() - 1; before <= limits::kMaxNameBytes; ++before) {
      const string name = string(before, 'n') + character + "and more, so that it has to be cut somewhere";
      const bool fits = before + character.size() <= limits::kMaxNameBytes;
      const string cut = decoded_name(name);
      EXPECT_EQ(cut.substr(0, before), string(before, 'n'));
      EXPECT_EQ(cut.substr(before, character.size()), fits ? character : "") << before;
      EXPECT_LE(cut.size(), limits::kMaxNameBytes);
    }
  }
}

TEST(Decode, ANameKeepsNoControlCharacters) {
  EXPECT_EQ(decoded_name("a\x1b[31mred\r\nb\tc\x7f"), "a?[31mred??b?c?");
  EXPECT_EQ(decoded_name(string("nul\0nul", 7)), "nul?nul");
  EXPECT_EQ(decoded_label("\x01\x1f"), "??");
  EXPECT_EQ(decoded_name("\u0080x\u009b31m\u009f"), "?x?31m?") << "terminals obey these, too";
  EXPECT_EQ(decoded_name(" ~\u00a0\u00e9\u20ac"), " ~\u00a0\u00e9\u20ac");
}

TEST(Decode, ANameCannotTurnTheDirectionOfWriting) {
  EXPECT_EQ(decoded_name("a\u202eb"), "a?b");
  EXPECT_EQ(decoded_label("\u2066a\u2069\u200f\u2028"), "?a???");
}

TEST(Decode, ANameThatIsNoUtf8IsMalformed) {
  string packet("\x12\x04\x12\x02\xc3\x28", 6);
  EXPECT_TRUE(is_malformed(decode_client(bytes_of(packet))));
  packet.replace(4, 2, "\xc3\xa4");
  EXPECT_EQ(request_in<HelloRequest>(decode_client(bytes_of(packet))).name, "\u00e4");
}

TEST(Decode, APacketThatIsCutShortIsMalformed) {
  wire::Envelope envelope = alloc_of(3);
  envelope.set_request_id(kMax);
  envelope.mutable_alloc()->mutable_items(1)->set_label("label");
  const string packet = envelope.SerializeAsString();
  // The request id is a field of its own, so a packet that ends with it is whole: it asks for nothing.
  wire::Envelope nothing;
  nothing.set_request_id(kMax);
  const size_t id_bytes = nothing.ByteSizeLong();
  for (size_t size = 1; size < packet.size(); ++size) {
    if (size == id_bytes) continue;
    EXPECT_TRUE(is_malformed(decode_client(bytes_of(packet).first(size)))) << size;
    EXPECT_TRUE(is_malformed(decode_admin(bytes_of(packet).first(size)))) << size;
  }
}

TEST(Decode, GarbageIsMalformed) {
  for (const string& packet : {
           string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11),      // a tag without end
           string("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12),  // a number of more than 64 bits
           string("\x1a\xff\xff\xff\xff\x07", 6),                           // a length of 2 GiB
           string("\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11),      // a length below 0
           string("\x0c", 1),                                               // the end of a group without its beginning
           string("\x07", 1),                                               // a wire type that is none
           string("\0", 1),                                                 // field 0
       }) {
    EXPECT_TRUE(is_malformed(decode_client(bytes_of(packet))));
    EXPECT_TRUE(is_malformed(decode_admin(bytes_of(packet))));
  }
}

TEST(Decode, UnknownFieldsAreIgnored) {
  const string unknown("\xc2\x3e\x03new", 6);  // field 1000
  string alloc;
  {
    wire::AllocItem item;
    item.set_size(4096);
    const string inner = item.SerializeAsString() + unknown;
    const string items = string("\x0a") + static_cast<char>(inner.size()) + inner + unknown;
    alloc = string("\x08\x05\x1a") + static_cast<char>(items.size()) + items + unknown;
  }
  const auto incoming = decode_client(bytes_of(alloc));
  EXPECT_EQ(incoming.request, RequestId{5});
  EXPECT_EQ(request_in<AllocRequest>(incoming).items.at(0).size, 4096u);
}

TEST(Decode, AnUnknownRequestIsNotSupportedAndHarmless) {
  const string unknown_body("\x08\x09\x9a\x06\x00", 5);  // request 9, an empty field 99
  const string wrong_type("\x08\x09\x18\x01", 4);        // request 9, a number where Alloc belongs
  for (const string& packet : {unknown_body, wrong_type, string("\x08\x09", 2)}) {
    for (const bool admin : {false, true}) {
      const RequestId request =
          admin ? decode_admin(bytes_of(packet)).request : decode_client(bytes_of(packet)).request;
      const Refusal refusal =
          admin ? refusal_in(decode_admin(bytes_of(packet))) : refusal_in(decode_client(bytes_of(packet)));
      EXPECT_EQ(request, RequestId{9});
      EXPECT_EQ(refusal.failure.kind, FailureKind::kNotSupported);
      EXPECT_FALSE(refusal.ends_connection);
    }
  }
}

TEST(Decode, WhatOnlyTheDaemonSaysIsNoRequest) {
  wire::Envelope welcome;
  welcome.mutable_welcome();
  EXPECT_EQ(refusal_in(from_client(welcome)).failure.kind, FailureKind::kNotSupported);
  EXPECT_EQ(refusal_in(from_admin(welcome)).failure.kind, FailureKind::kNotSupported);
}

TEST(Decode, ARequestOnTheWrongSocketIsNotPermitted) {
  wire::Envelope stats, clients, labels, evict, simulate, config, hello, leases_unused;
  stats.mutable_get_stats();
  clients.mutable_get_clients();
  labels.mutable_get_labels();
  evict.mutable_evict()->set_all(true);
  simulate.mutable_simulate()->set_purge(true);
  config.mutable_get_config();
  hello.mutable_hello();
  leases_unused.mutable_leases_unused();
  for (wire::Envelope* admin : {&stats, &clients, &labels, &evict, &simulate, &config}) {
    admin->set_request_id(3);
    EXPECT_EQ(from_client(*admin).request, RequestId{3});
    EXPECT_EQ(refusal_in(from_client(*admin)).failure.kind, FailureKind::kNotPermitted);
    EXPECT_FALSE(refusal_in(from_client(*admin)).ends_connection);
    EXPECT_TRUE(std::holds_alternative<AdminMessage>(from_admin(*admin).content));
  }
  for (const wire::Envelope& client : {hello, alloc_of(1), release_of(1), leases_unused}) {
    EXPECT_EQ(refusal_in(from_admin(client)).failure.kind, FailureKind::kNotPermitted);
    EXPECT_FALSE(refusal_in(from_admin(client)).ends_connection);
  }
}

class DecodeEvict : public testing::Test {
 protected:
  EvictRequest evicted() const {
    return std::get<EvictRequest>(std::get<AdminRequest>(std::get<AdminMessage>(from_admin(envelope_).content)));
  }

  wire::Envelope envelope_;
  wire::Evict& evict_ = *envelope_.mutable_evict();
};

TEST_F(DecodeEvict, AsksForEverything) {
  evict_.set_all(true);
  EXPECT_TRUE(std::holds_alternative<EvictAll>(evicted()));
}

TEST_F(DecodeEvict, AsksForBytes) {
  for (const uint64_t bytes : {uint64_t{0}, kMax}) {
    evict_.set_bytes(bytes);
    EXPECT_EQ(std::get<EvictBytes>(evicted()).bytes, bytes);
  }
}

TEST_F(DecodeEvict, AsksForAUser) {
  for (const uint32_t uid : {uint32_t{0}, std::numeric_limits<uint32_t>::max()}) {
    evict_.set_uid(uid);
    EXPECT_EQ(std::get<EvictUid>(evicted()).uid, uid);
  }
}

TEST_F(DecodeEvict, NothingIsNotEverything) {
  EXPECT_EQ(refusal_in(from_admin(envelope_)).failure.kind, FailureKind::kInvalidArgument);
  evict_.set_all(false);
  EXPECT_EQ(refusal_in(from_admin(envelope_)).failure.kind, FailureKind::kInvalidArgument);
}

}  // namespace
}  // namespace panbo
