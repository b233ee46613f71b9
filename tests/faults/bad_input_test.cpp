// What a client must not send: each thing is a named error or a closed connection, logged once, with everybody else
// undisturbed and nothing leaked.
#include <fcntl.h>
#include <sys/socket.h>

#include <array>

#include "proto/limits.h"
#include "tests/faults/faults_test.h"

namespace panbo {
namespace {

std::vector<std::byte> bytes(std::string_view text) {
  const auto view = std::as_bytes(std::span(text));
  return {view.begin(), view.end()};
}

using BadInputTest = FaultsTest;

TEST_F(BadInputTest, fault_15_a_packet_that_does_not_parse_ends_the_connection) {
  for (const std::string_view text : {"\xff\xff\xff\xff", "\x0a", "\x1a\x05\x0a", "\x08"}) {
    WirePeer peer = connect_and_greet();
    peer.send_raw(bytes(text));
    EXPECT_EQ(code_of(peer.receive()), wire::FAILURE_PROTOCOL);
    peer.await_end();
  }
  EXPECT_EQ(logged("not a message of panbo.proto"), 4u);
}

TEST_F(BadInputTest, fault_15_a_packet_that_is_too_large_ends_the_connection) {
  WirePeer peer = connect_and_greet();
  peer.send_raw(std::vector<std::byte>(limits::kMaxPacketBytes + 1));
  peer.await_end();
  EXPECT_EQ(logged("too large"), 1u);
}

TEST_F(BadInputTest, fault_15_an_empty_packet_ends_the_connection) {
  WirePeer peer = connect_and_greet();
  peer.send_raw({});
  peer.await_end();
  EXPECT_EQ(logged("empty packet"), 1u);
}

TEST_F(BadInputTest, fault_07_fds_from_a_client_are_closed_and_end_the_connection) {
  const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  for (const size_t count : {size_t{1}, limits::kMaxBatch}) {
    WirePeer peer = connect_and_greet();
    peer.send_raw(bytes("x"), std::vector<int>(count, file.get()));
    peer.await_end();
  }
  EXPECT_EQ(logged("sent file descriptors"), 2u);
}

TEST_F(BadInputTest, fault_07_as_many_fds_as_the_kernel_allows_are_closed) {
  WirePeer peer = connect_and_greet();
  constexpr size_t kMost = 253;
  std::array<char, CMSG_SPACE(sizeof(int) * kMost)> control{};
  char byte = 0;
  iovec io{.iov_base = &byte, .iov_len = 1};
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int) * kMost);
  for (size_t i = 0; i < kMost; ++i) {
    std::memcpy(CMSG_DATA(header) + i * sizeof(int), &static_cast<const int&>(peer.socket()), sizeof(int));
  }
  // Its own socket: the daemon must close them all for the connection to end.
  ASSERT_EQ(::sendmsg(peer.socket(), &message, MSG_NOSIGNAL), 1);
  peer.await_end();
}

TEST_F(BadInputTest, fault_15_sizes_out_of_range_are_refused) {
  WirePeer peer = connect();
  const uint64_t largest = peer.hello().max_bo_size();
  for (const uint64_t size : {uint64_t{0}, largest + 1, UINT64_MAX - 1, UINT64_MAX}) {
    EXPECT_EQ(code_of(peer.alloc(size)), wire::FAILURE_INVALID_ARGUMENT) << size;
  }
  EXPECT_TRUE(peer.alloc(1).message.has_granted());
  EXPECT_EQ(logged("size or flag is out of range"), 1u);
}

TEST_F(BadInputTest, fault_15_flags_that_are_unknown_or_contradict_are_refused) {
  WirePeer peer = connect_and_greet();
  constexpr uint32_t kBoth = wire::ALLOC_FLAG_EXECUTABLE | wire::ALLOC_FLAG_HEAP;
  for (const uint32_t flags : {8u, 1u << 31, UINT32_MAX, kBoth}) {
    EXPECT_EQ(code_of(peer.alloc(4096, flags)), wire::FAILURE_INVALID_ARGUMENT) << flags;
  }
}

TEST_F(BadInputTest, fault_15_an_alloc_of_nothing_is_refused) {
  WirePeer peer = connect_and_greet();
  wire::Envelope message;
  message.mutable_alloc();
  EXPECT_EQ(code_of(peer.ask(message)), wire::FAILURE_INVALID_ARGUMENT);
}

TEST_F(BadInputTest, fault_06_more_than_a_batch_ends_the_connection) {
  WirePeer peer = connect_and_greet();
  wire::Envelope message;
  for (size_t i = 0; i < limits::kMaxBatch; ++i) message.mutable_alloc()->add_items()->set_size(4096);
  const FromDaemon answer = peer.ask(message);
  EXPECT_EQ(answer.message.granted().grants_size(), static_cast<int>(limits::kMaxBatch));
  EXPECT_EQ(answer.fds.size(), limits::kMaxBatch);
  message.mutable_alloc()->add_items()->set_size(4096);
  EXPECT_EQ(code_of(peer.ask(message)), wire::FAILURE_PROTOCOL);
  peer.await_end();
}

TEST_F(BadInputTest, fault_04_a_lease_that_is_not_the_callers_stays) {
  const FromDaemon theirs = bystander_.alloc(4096);
  const uint64_t lease = theirs.message.granted().grants(0).lease_id();
  WirePeer peer = connect_and_greet();
  for (const uint64_t id : {lease, uint64_t{0}, lease + 1, UINT64_MAX}) {
    wire::Envelope message;
    message.mutable_release()->add_lease_ids(id);
    EXPECT_EQ(code_of(peer.ask(message)), wire::FAILURE_UNKNOWN_LEASE) << id;
  }
  EXPECT_EQ(admin_.stats().leased().count(), 1u);
  EXPECT_EQ(logged("not this client's"), 1u);
  bystander_.release({lease});
}

TEST_F(BadInputTest, fault_04_a_lease_is_released_once) {
  WirePeer peer = connect_and_greet();
  const FromDaemon granted = peer.alloc(4096);
  wire::Envelope message;
  message.mutable_release()->add_lease_ids(granted.message.granted().grants(0).lease_id());
  message.mutable_release()->add_lease_ids(granted.message.granted().grants(0).lease_id());
  EXPECT_EQ(code_of(peer.ask(message)), wire::FAILURE_UNKNOWN_LEASE);
}

TEST_F(BadInputTest, fault_15_a_second_hello_ends_the_connection_and_its_leases) {
  WirePeer peer = connect_and_greet();
  const FromDaemon granted = peer.alloc(4096);
  wire::Envelope message;
  message.mutable_hello()->set_protocol_version(limits::kProtocolVersion);
  EXPECT_EQ(code_of(peer.ask(message)), wire::FAILURE_PROTOCOL);
  peer.await_end();
  EXPECT_EQ(logged("second Hello"), 1u);
}

TEST_F(BadInputTest, fault_15_hello_comes_first) {
  WirePeer peer = connect();
  EXPECT_EQ(code_of(peer.alloc(4096)), wire::FAILURE_PROTOCOL);
  peer.await_end();
}

TEST_F(BadInputTest, fault_15_a_version_that_nobody_speaks_is_refused) {
  WirePeer peer = connect();
  wire::Envelope message;
  message.mutable_hello()->set_protocol_version(0);
  EXPECT_EQ(code_of(peer.ask(message)), wire::FAILURE_VERSION);
  peer.await_end();
}

TEST_F(BadInputTest, fault_15_admin_requests_on_the_client_socket_are_refused) {
  WirePeer peer = connect_and_greet();
  wire::Envelope stats;
  stats.mutable_get_stats();
  wire::Envelope evict;
  evict.mutable_evict()->set_all(true);
  wire::Envelope simulate;
  simulate.mutable_simulate()->set_purge(true);
  for (const wire::Envelope& message : {stats, evict, simulate}) {
    EXPECT_EQ(code_of(peer.ask(message)), wire::FAILURE_NOT_PERMITTED);
  }
  EXPECT_TRUE(peer.alloc(4096).message.has_granted());
  EXPECT_EQ(logged("belongs on the admin socket"), 1u);
}

TEST_F(BadInputTest, fault_15_client_requests_on_the_admin_socket_are_refused) {
  wire::Envelope message;
  message.mutable_alloc()->add_items()->set_size(4096);
  EXPECT_EQ(code_of(admin_.ask(message)), wire::FAILURE_NOT_PERMITTED);
}

TEST_F(BadInputTest, fault_15_an_unknown_request_is_named_and_unknown_fields_are_ignored) {
  WirePeer peer = connect_and_greet();
  // Field 1000, an empty message; and the request id 9.
  peer.send_raw(bytes(std::string_view("\x08\x09\xc2\x3e\x00", 5)));
  const FromDaemon answer = peer.receive();
  EXPECT_EQ(answer.message.request_id(), 9u);
  EXPECT_EQ(code_of(answer), wire::FAILURE_NOT_SUPPORTED);
  // An Alloc of one page with a field 1000 beside it.
  peer.send_raw(bytes(std::string_view("\x08\x0a\x1a\x05\x0a\x03\x08\x80\x20\xc0\x3e\x01", 12)));
  EXPECT_TRUE(peer.receive().message.has_granted());
}

}  // namespace
}  // namespace panbo
