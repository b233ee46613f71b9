#include "proto/packet.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <string_view>
#include <vector>

namespace panbo {
namespace {

struct Pair {
  UniqueFd a;
  UniqueFd b;
};

Pair make_pair() {
  int fds[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

UniqueFd dev_null() {
  return UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC));
}

int open_fds() {
  int count = 0;
  for (int fd = 0; fd < 1024; ++fd) count += ::fcntl(fd, F_GETFD) >= 0;
  return count;
}

class PacketTest : public testing::Test {
 protected:
  Result<ReceivedPacket> receive() { return receive_packet(pair_.b.get(), buffer_, fds_, MSG_DONTWAIT); }

  Pair pair_ = make_pair();
  std::array<std::byte, 64> buffer_;
  ReceivedFds fds_;
};

TEST_F(PacketTest, CarriesBytesAndFds) {
  const UniqueFd fd = dev_null();
  const int borrowed[] = {fd.get()};
  ASSERT_TRUE(send_packet(pair_.a.get(), bytes("hello"), borrowed, 0));
  const auto packet = receive();
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->status, PacketStatus::kComplete);
  EXPECT_EQ(packet->bytes, 5u);
  ASSERT_EQ(fds_.count(), 1u);
  const UniqueFd received = fds_.take(0);
  struct stat sent_stat, received_stat;
  ASSERT_EQ(::fstat(fd.get(), &sent_stat), 0);
  ASSERT_EQ(::fstat(received.get(), &received_stat), 0);
  EXPECT_EQ(sent_stat.st_ino, received_stat.st_ino);
  EXPECT_NE(::fcntl(received.get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_FALSE(fds_.take(0).valid());
}

TEST_F(PacketTest, SaysWhenNothingIsThere) {
  const auto packet = receive();
  ASSERT_FALSE(packet);
  EXPECT_EQ(packet.error(), Errno{EAGAIN});
}

TEST_F(PacketTest, TellsAnEmptyPacketFromTheEnd) {
  ASSERT_TRUE(send_packet(pair_.a.get(), {}, {}, 0));
  EXPECT_EQ(receive()->status, PacketStatus::kEmpty);
  pair_.a.reset();
  EXPECT_EQ(receive()->status, PacketStatus::kEndOfStream);
}

TEST_F(PacketTest, SaysWhenAPacketIsTooLarge) {
  ASSERT_TRUE(send_packet(pair_.a.get(), bytes(std::string(65, 'x')), {}, 0));
  EXPECT_EQ(receive()->status, PacketStatus::kTooLarge);
}

TEST_F(PacketTest, SendingToAClosedPeerIsAnErrorNotASignal) {
  pair_.b.reset();
  const auto sent = send_packet(pair_.a.get(), bytes("x"), {}, 0);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error(), Errno{EPIPE});
}

TEST_F(PacketTest, KeepsNoFdOfASenderWhoSendsAsManyAsTheKernelAllows) {
  const UniqueFd fd = dev_null();
  const int before = open_fds();
  std::vector<int> many(253, fd.get());
  std::vector<char> control(CMSG_SPACE(sizeof(int) * many.size()));
  iovec io{.iov_base = const_cast<char*>("x"), .iov_len = 1};
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* c = CMSG_FIRSTHDR(&message);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof(int) * many.size());
  std::memcpy(CMSG_DATA(c), many.data(), sizeof(int) * many.size());
  ASSERT_EQ(::sendmsg(pair_.a.get(), &message, 0), 1);

  EXPECT_EQ(receive()->status, PacketStatus::kComplete);
  EXPECT_EQ(fds_.count(), 253u);
  fds_.clear();
  EXPECT_EQ(open_fds(), before);
}

TEST_F(PacketTest, SaysWhenThisProcessHasNoRoomForTheFd) {
  const UniqueFd fd = dev_null();
  const int borrowed[] = {fd.get()};
  ASSERT_TRUE(send_packet(pair_.a.get(), bytes("x"), borrowed, 0));
  const int reader = pair_.b.get();
  std::array<std::byte, 64> buffer;
  ReceivedFds fds;
  rlimit old;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  // Not receive(): a member call makes the undefined behaviour sanitizer look at memory, for which it needs fds.
  const auto packet = receive_packet(reader, buffer, fds, MSG_DONTWAIT);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->status, PacketStatus::kFdsLost);
  EXPECT_EQ(fds.count(), 0u);
}

TEST_F(PacketTest, KnowsWhetherThePeerHasReadEverything) {
  EXPECT_TRUE(*peer_has_read_all(pair_.a.get()));
  ASSERT_TRUE(send_packet(pair_.a.get(), bytes("x"), {}, 0));
  EXPECT_FALSE(*peer_has_read_all(pair_.a.get()));
  ASSERT_TRUE(receive());
  EXPECT_TRUE(*peer_has_read_all(pair_.a.get()));
}

}  // namespace
}  // namespace panbo
