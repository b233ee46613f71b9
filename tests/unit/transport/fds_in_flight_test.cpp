// Real sockets: what a peer has read is what the kernel says.

#include "daemon/transport/fds_in_flight.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "proto/packet.h"
#include "tests/support/fds.h"
#include "tests/unit/transport/test_peer.h"

namespace panbo::test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

constexpr Cost limit_of_fds(uint64_t fds) {
  Cost limits = kNoLimit;
  limits.fds = fds;
  return limits;
}

/// A connection that sends fds, and the peer that may read them.
class Sender {
 public:
  Sender(std::shared_ptr<Account> user, const std::shared_ptr<FdsInFlightRegistry>& registry, uint32_t uid = 1000,
         uint64_t limit = 4)
      : ends_(socket_pair()),
        account_(std::make_shared<Account>("client", limit_of_fds(limit), std::move(user))),
        fds_(std::make_unique<FdsInFlight>(ends_.first.get(), ClientId{next_id_++}, Peer{.uid = uid, .pid = 7},
                                           account_, registry, [this] { ++unread; })) {}

  /// False: no room.
  bool send(size_t count) {
    Price price = 0;
    auto charge = fds_->take(count, price);
    if (!charge) {
      EXPECT_EQ(charge.error(), Errno{EDQUOT});
      return false;
    }
    const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const std::vector<int> borrowed(count, file.get());
    const std::byte text{};
    EXPECT_TRUE(send_packet(ends_.first.get(), std::span(&text, 1), borrowed, MSG_DONTWAIT));
    fds_->add(*std::move(charge), count);
    return true;
  }
  void read_one() const {
    std::byte text;
    ReceivedFds fds;
    EXPECT_TRUE(receive_packet(ends_.second.get(), std::span(&text, 1), fds, MSG_DONTWAIT));
  }
  void peer_closes() { ends_.second.reset(); }
  void peer_sends_itself() const {
    const int own = ends_.second.get();
    EXPECT_TRUE(send_packet(own, {}, {}, MSG_DONTWAIT));
    const std::byte text{};
    EXPECT_TRUE(send_packet(own, std::span(&text, 1), std::span(&own, 1), MSG_DONTWAIT));
  }
  /// The daemon ends the connection.
  void end() {
    fds_->end(std::move(ends_.first), "client");
    fds_.reset();
  }
  /// Whether the peer sees that, once it has read everything.
  [[nodiscard]] bool peer_is_at_end() const {
    std::byte text;
    return ::recv(ends_.second.get(), &text, 1, MSG_DONTWAIT) == 0;
  }

  [[nodiscard]] uint64_t charged() const { return account_->used().fds; }
  FdsInFlight& fds() { return *fds_; }

  int unread = 0;

 private:
  static inline uint64_t next_id_ = 1;

  std::pair<UniqueFd, UniqueFd> ends_;
  const std::shared_ptr<Account> account_;
  std::unique_ptr<FdsInFlight> fds_;
};

class FdsInFlightTest : public testing::Test {
 protected:
  std::unique_ptr<Sender> sender() { return std::make_unique<Sender>(user_, registry_); }
  std::unique_ptr<Sender> sender_among(const std::shared_ptr<FdsInFlightRegistry>& registry) {
    return std::make_unique<Sender>(user_, registry);
  }

  const std::shared_ptr<Account> user_ = std::make_shared<Account>("user", limit_of_fds(6), nullptr);
  const std::shared_ptr<FdsInFlightRegistry> registry_ = std::make_shared<FdsInFlightRegistry>(hours(1));
};

TEST_F(FdsInFlightTest, AClientHasNoMoreUnreadThanItsLimit) {
  const auto client = sender();
  EXPECT_TRUE(client->send(3));
  EXPECT_FALSE(client->send(2));
  EXPECT_TRUE(client->send(1));
  EXPECT_FALSE(client->send(1));
  EXPECT_EQ(client->charged(), 4u);
  EXPECT_EQ(user_->used().fds, 4u);
}

TEST_F(FdsInFlightTest, AClientThatHasReadAllHasRoomAgain) {
  const auto client = sender();
  ASSERT_TRUE(client->send(3));
  ASSERT_TRUE(client->send(1));
  client->read_one();
  EXPECT_FALSE(client->fds().all_read());
  EXPECT_FALSE(client->send(1)) << "part of it is still unread";
  client->read_one();
  EXPECT_TRUE(client->send(4));
  EXPECT_EQ(client->charged(), 4u);
}

TEST_F(FdsInFlightTest, WhatAnIdleSiblingHasReadIsGivenBackWhenItIsNeeded) {
  const auto idle = sender();
  const auto client = sender();
  ASSERT_TRUE(idle->send(4));
  idle->read_one();
  EXPECT_EQ(user_->used().fds, 4u) << "nobody has looked";
  EXPECT_TRUE(client->send(4));
  EXPECT_EQ(idle->charged(), 0u);
  EXPECT_EQ(user_->used().fds, 4u);
}

TEST_F(FdsInFlightTest, WhatASiblingHasNotReadStaysCharged) {
  const auto sibling = sender();
  const auto client = sender();
  ASSERT_TRUE(sibling->send(4));
  EXPECT_FALSE(client->send(4));
  EXPECT_TRUE(client->send(2));
  EXPECT_EQ(sibling->unread, 0);
}

TEST_F(FdsInFlightTest, WhoLeavesUnreadWhatOthersNeedIsFoundAfterTheLimit) {
  constexpr auto kLimit = milliseconds(20);
  const auto registry = std::make_shared<FdsInFlightRegistry>(kLimit);
  const auto sibling = sender_among(registry);
  const auto reader = sender_among(registry);
  const auto client = sender_among(registry);
  ASSERT_TRUE(sibling->send(4));
  ASSERT_TRUE(reader->send(2));
  reader->read_one();
  const auto start = std::chrono::steady_clock::now();
  ASSERT_FALSE(client->send(4));
  EXPECT_EQ(sibling->unread, 0) << "it may be about to read";
  while (sibling->unread == 0) ASSERT_FALSE(client->send(4));
  EXPECT_GE(std::chrono::steady_clock::now() - start, kLimit);
  EXPECT_EQ(reader->unread, 0);
  EXPECT_EQ(client->unread, 0);
}

TEST_F(FdsInFlightTest, NobodyIsFoundBeforeTheLimit) {
  const auto sibling = sender();
  const auto client = sender();
  ASSERT_TRUE(sibling->send(4));
  for (int i = 0; i < 100; ++i) ASSERT_FALSE(client->send(4));
  EXPECT_EQ(sibling->unread, 0);
}

TEST_F(FdsInFlightTest, WhoIsSentMoreHasReadSomethingAndHasTheWholeLimitAgain) {
  constexpr auto kLimit = milliseconds(20);
  const auto registry = std::make_shared<FdsInFlightRegistry>(kLimit);
  const auto busy = sender_among(registry);
  const auto client = sender_among(registry);
  ASSERT_TRUE(busy->send(3));
  ASSERT_FALSE(client->send(4));
  const auto first_look = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - first_look < kLimit) continue;
  ASSERT_TRUE(busy->send(1));
  ASSERT_FALSE(client->send(4));
  EXPECT_EQ(busy->unread, 0);
  while (busy->unread == 0) ASSERT_FALSE(client->send(4));
}

TEST_F(FdsInFlightTest, APeerThatLeftWithoutReadingHoldsNothing) {
  const auto client = sender();
  const auto sibling = sender();
  ASSERT_TRUE(sibling->send(4));
  sibling->peer_closes();
  EXPECT_TRUE(client->send(4));
  EXPECT_EQ(sibling->charged(), 0u);
}

TEST_F(FdsInFlightTest, AConnectionThatIsGoneIsNotLookedAt) {
  const auto client = sender();
  sender()->end();
  ASSERT_TRUE(client->send(4));
  EXPECT_FALSE(client->send(4));
}

TEST_F(FdsInFlightTest, FdsStayChargedAfterTheirConnectionUntilThePeerReadsThem) {
  const auto gone = sender();
  const auto client = sender();
  ASSERT_TRUE(gone->send(4));
  gone->end();
  EXPECT_EQ(gone->charged(), 4u) << "the kernel charges the daemon for them as before";
  EXPECT_FALSE(client->send(4));
  gone->read_one();
  EXPECT_TRUE(gone->peer_is_at_end());
  EXPECT_TRUE(client->send(4));
  EXPECT_EQ(gone->charged(), 0u);
}

TEST_F(FdsInFlightTest, FdsStayChargedAfterTheirConnectionUntilThePeerIsGone) {
  const auto gone = sender();
  const auto client = sender();
  ASSERT_TRUE(gone->send(4));
  gone->end();
  EXPECT_FALSE(client->send(4));
  gone->peer_closes();
  EXPECT_TRUE(client->send(4));
}

TEST_F(FdsInFlightTest, fault_32_a_peer_that_has_sent_its_own_socket_does_not_keep_itself) {
  const auto one = sender();
  EXPECT_TRUE(one->send(3));
  one->peer_sends_itself();
  one->peer_closes();
  one->end();
  registry_->take_events();
  EXPECT_TRUE(registry_->left_behind().empty());
  EXPECT_EQ(one->charged(), 0u);
}

TEST_F(FdsInFlightTest, AConnectionWhosePeerHasReadAllLeavesNothingBehind) {
  const int before = open_fds();
  {
    const auto client = sender();
    ASSERT_TRUE(client->send(4));
    client->read_one();
    const int with_both_ends = open_fds();
    client->end();
    EXPECT_EQ(open_fds(), with_both_ends - 1);
    EXPECT_TRUE(client->peer_is_at_end());
    EXPECT_EQ(user_->used().fds, 0u);
  }
  EXPECT_EQ(open_fds(), before);
}

TEST_F(FdsInFlightTest, WhatWasLeftBehindIsGivenBackWhenTheKernelTells) {
  const auto first = sender();
  const auto second = sender();
  ASSERT_TRUE(first->send(2));
  ASSERT_TRUE(second->send(1));
  first->end();
  second->end();
  while (registry_->take_events()) continue;
  EXPECT_EQ(user_->used().fds, 3u);
  EXPECT_FALSE(is_readable(registry_->event_fd())) << "nothing has happened";
  const int before = open_fds();
  first->peer_closes();
  EXPECT_TRUE(is_readable(registry_->event_fd()));
  EXPECT_TRUE(registry_->take_events());
  EXPECT_EQ(user_->used().fds, 1u);
  EXPECT_EQ(open_fds(), before - 2) << "both ends of the first";
  second->read_one();
  EXPECT_TRUE(registry_->take_events());
  EXPECT_EQ(user_->used().fds, 0u);
}

TEST_F(FdsInFlightTest, WhoIsGoneAndWhatItLeftUnreadIsShown) {
  const auto gone = sender();
  ASSERT_TRUE(gone->send(2));
  ASSERT_TRUE(gone->send(1));
  EXPECT_TRUE(registry_->left_behind().empty());
  gone->end();
  const auto rows = registry_->left_behind();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_TRUE(rows[0].gone);
  EXPECT_EQ(rows[0].unread_fds, 3u);
  EXPECT_EQ(rows[0].name, "client");
  EXPECT_EQ(rows[0].peer.uid, 1000u);
}

/// Users of a board that is full before they are.
class FdsOfABoardTest : public testing::Test {
 protected:
  std::shared_ptr<Account> user(const char* name) { return std::make_shared<Account>(name, limit_of_fds(8), board_); }
  const std::shared_ptr<Account> board_ = std::make_shared<Account>("board", limit_of_fds(8), nullptr);
  const std::shared_ptr<FdsInFlightRegistry> registry_ = std::make_shared<FdsInFlightRegistry>(Duration::zero());
};

TEST_F(FdsOfABoardTest, AFullUserHasNoOtherUsersClientsJudged) {
  const auto mine = std::make_shared<Account>("mine", limit_of_fds(4), board_);
  const auto others = user("others");
  Sender hog(mine, registry_);
  Sender asker(mine, registry_);
  Sender other(others, registry_, 1001);
  ASSERT_TRUE(hog.send(4));
  ASSERT_TRUE(other.send(1));
  EXPECT_FALSE(asker.send(1));
  EXPECT_GT(hog.unread, 0);
  EXPECT_EQ(other.unread, 0);
}

TEST_F(FdsOfABoardTest, AFullBoardHasOnlyTheClientsOfThoseWithMuchJudged) {
  const auto large = user("large");
  const auto small = user("small");
  Sender hog(large, registry_, 1000);
  Sender hog2(large, registry_, 1000);
  Sender modest(small, registry_, 1001);
  Sender asker(user("asker"), registry_, 1002);
  ASSERT_TRUE(modest.send(1));
  ASSERT_TRUE(hog.send(4));
  ASSERT_TRUE(hog2.send(3));
  EXPECT_FALSE(asker.send(1));
  EXPECT_FALSE(asker.send(1));
  EXPECT_GT(hog.unread + hog2.unread, 0);
  EXPECT_EQ(modest.unread, 0);
}

TEST(FdsOfAUser, TheLastQuarterIsKeptForClientsThatHaveNone) {
  const auto user = std::make_shared<Account>("user", limit_of_fds(16), nullptr);
  const auto registry = std::make_shared<FdsInFlightRegistry>(hours(1));
  Sender honest(user, registry);
  Sender hog(user, registry, 1000, 8);
  Sender other_hog(user, registry, 1000, 8);
  ASSERT_TRUE(hog.send(8));
  EXPECT_FALSE(other_hog.send(8)) << "each of three clients has its part of four fds";
  ASSERT_TRUE(other_hog.send(7));
  hog.end();
  other_hog.end();
  EXPECT_TRUE(honest.send(1));
  EXPECT_EQ(honest.unread, 0);
}

TEST(FdsOfAUser, OneMoreClientIsLetInOnlyIfThereIsAnFdForIt) {
  const auto user = std::make_shared<Account>("user", limit_of_fds(4), nullptr);
  const auto registry = std::make_shared<FdsInFlightRegistry>(hours(1));
  Sender hog(user, registry);
  EXPECT_TRUE(registry->has_room_for_client(UserId{1000}));
  ASSERT_TRUE(hog.send(4));
  EXPECT_TRUE(registry->has_room_for_client(UserId{1000})) << "it may be about to read";
  hog.end();
  EXPECT_FALSE(registry->has_room_for_client(UserId{1000}));
  EXPECT_TRUE(registry->has_room_for_client(UserId{1001}));
  hog.peer_closes();
  while (registry->take_events()) continue;
  EXPECT_TRUE(registry->has_room_for_client(UserId{1000}));
}

}  // namespace
}  // namespace panbo::test
