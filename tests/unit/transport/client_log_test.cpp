#include "daemon/transport/client_log.h"

#include <gtest/gtest.h>

#include "tests/support/log_capture.h"

namespace panbo::test {
namespace {

using std::chrono::seconds;

class ClientLogTest : public testing::Test {
 protected:
  void warn_often(uint32_t uid, uint64_t times, Time now) {
    for (uint64_t i = 0; i < times; ++i) client_log_.warn(uid, "uid " + std::to_string(uid) + " misbehaves", now);
  }

  LogCapture log_;
  ClientLog client_log_;
  const Time start_{std::chrono::hours(1)};
};

TEST_F(ClientLogTest, AUserHasSoManyLinesAndTheirCount) {
  warn_often(1000, ClientLog::kLines + 7, start_);
  EXPECT_EQ(log_.count("uid 1000 misbehaves"), ClientLog::kLines);
  EXPECT_EQ(log_.count("were left out"), 0u);
  warn_often(1000, 1, start_ + ClientLog::kWindow - Duration(1));
  EXPECT_EQ(log_.count("uid 1000 misbehaves"), ClientLog::kLines);
  warn_often(1000, 1, start_ + ClientLog::kWindow);
  EXPECT_EQ(log_.count("8 more warnings about clients of uid 1000 were left out"), 1u);
  EXPECT_EQ(log_.count("uid 1000 misbehaves"), ClientLog::kLines + 1);
}

TEST_F(ClientLogTest, ANameCannotImitateTheRestOfTheLine) {
  const Peer peer{.uid = 1000, .pid = 42};
  EXPECT_EQ(describe_client(ClientId{3}, "weston", peer), "client 3 'weston' (uid 1000, pid 42)");
  EXPECT_EQ(describe_client(ClientId{3}, "", peer), "client 3 (uid 1000, pid 42)");
  EXPECT_EQ(describe_client(ClientId{3}, "x' (uid 0, pid 1) failed\n\u202e", peer),
            "client 3 'x\\' (uid 0, pid 1) failed\\n\\u{202e}' (uid 1000, pid 42)");
}

TEST_F(ClientLogTest, OneUserTakesNothingFromAnother) {
  warn_often(1000, 3 * ClientLog::kLines, start_);
  warn_often(1001, 1, start_);
  EXPECT_EQ(log_.count("uid 1001 misbehaves"), 1u);
}

TEST_F(ClientLogTest, NothingIsSaidToBeLeftOutWhereNothingWas) {
  warn_often(1000, ClientLog::kLines, start_);
  warn_often(1000, 1, start_ + 2 * ClientLog::kWindow);
  EXPECT_EQ(log_.count("were left out"), 0u);
}

}  // namespace
}  // namespace panbo::test
