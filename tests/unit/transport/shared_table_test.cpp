// What a client can do with the two fds of its table, and what it cannot.

#include "daemon/transport/shared_table.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "tests/support/client_table.h"

namespace panbo {
namespace {

// F_SEAL_EXEC, which the headers of older systems do not have.
constexpr int kSealExec = 0x0020;

class SharedTableTest : public testing::Test {
 protected:
  static UniqueFd copy_of(int fd) { return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

  SharedTable table_ = *SharedTable::make();
  ClientTable client_{copy_of(table_.fds()[0]), copy_of(table_.fds()[1])};
};

TEST_F(SharedTableTest, BothSidesSeeTheSameWords) {
  ASSERT_EQ(table_.words().size(), kLeaseTableWords);
  EXPECT_EQ(table_.words().back(), 0u);
  client_.word(kLeaseTableWords - 1) = 17;
  EXPECT_EQ(table_.words().back(), 17u);
  table_.words()[0] = 1;
  EXPECT_EQ(client_.word(0), 1u);
}

TEST_F(SharedTableTest, ItsSizeAndSealsAreFinal) {
  EXPECT_EQ(::ftruncate(client_.memory(), 0), -1);
  EXPECT_EQ(::ftruncate(client_.memory(), 1 << 20), -1);
  EXPECT_EQ(::fcntl(client_.memory(), F_ADD_SEALS, F_SEAL_WRITE), -1);
  EXPECT_EQ(::fcntl(client_.memory(), F_GET_SEALS) & ~kSealExec, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

TEST_F(SharedTableTest, NobodyCanMakeAProgramOfIt) {
  // MFD_NOEXEC_SEAL.
  if (!UniqueFd(::memfd_create("probe", MFD_CLOEXEC | 0x0008)).valid()) GTEST_SKIP() << "before Linux 6.3";
  EXPECT_NE(::fcntl(client_.memory(), F_GET_SEALS) & kSealExec, 0);
  EXPECT_EQ(::fchmod(client_.memory(), 0777), -1);
}

TEST_F(SharedTableTest, AHoleInItReadsAsZeros) {
  client_.word(1) = 17;
  ASSERT_EQ(::fallocate(client_.memory(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                        kLeaseTableWords * sizeof(LeaseWord)),
            0);
  EXPECT_EQ(table_.words()[1], 0u);
}

TEST_F(SharedTableTest, TheBellRingsHoweverOftenAndNeverWaits) {
  for (int i = 0; i < 10'000; ++i) table_.ring();
  client_.await_bell();
  pollfd quiet{.fd = client_.bell(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&quiet, 1, 0), 0);
  table_.ring();
  client_.await_bell();
}

TEST_F(SharedTableTest, ABellThatIsClosedOrPointedElsewhereHarmsNobody) {
  const sockaddr nowhere{.sa_family = AF_UNSPEC, .sa_data = {}};
  ASSERT_EQ(::connect(client_.bell(), &nowhere, sizeof(nowhere)), 0);
  table_.ring();
  table_.sent();
  client_ = ClientTable(copy_of(client_.memory()), UniqueFd());
  table_.ring();
}

TEST_F(SharedTableTest, NothingCanBeLeftAtOurEndOfTheBell) {
  const char byte = 0;
  EXPECT_EQ(::send(client_.bell(), &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL), -1);
}

TEST_F(SharedTableTest, TheClientsCopyOutlivesOurs) {
  client_.word(1) = 17;
  { const SharedTable gone = std::move(table_); }
  EXPECT_EQ(client_.word(1), 17u);
}

}  // namespace
}  // namespace panbo
