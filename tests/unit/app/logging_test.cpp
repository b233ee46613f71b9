#include "daemon/app/logging.h"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "daemon/app/settings.h"
#include "panbo.pb.h"

namespace panbo {
namespace {

class LoggingTest : public testing::Test {
 protected:
  void TearDown() override {
    ::unsetenv("JOURNAL_STREAM");
    spdlog::set_default_logger(before_);
  }

  const std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
};

TEST_F(LoggingTest, GoesToStderrFromTheLevelOn) {
  testing::internal::CaptureStderr();
  start_logging();
  set_log_level("warning");
  spdlog::info("not this");
  spdlog::warn("but this");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("not this"), std::string::npos);
  EXPECT_NE(text.find("warning but this"), std::string::npos) << text;
}

TEST_F(LoggingTest, EveryLevelIsOneOfSpdlogs) {
  for (const std::string_view level : kLogLevels) {
    set_log_level(std::string(level));
    EXPECT_EQ(spdlog::level::to_string_view(spdlog::get_level()), level);
  }
}

TEST_F(LoggingTest, TheJournalIsMeantOnlyIfStderrIsConnectedToIt) {
  EXPECT_FALSE(stderr_is_the_journal());
  struct stat status;
  ASSERT_EQ(::fstat(STDERR_FILENO, &status), 0);
  const std::string device = std::to_string(status.st_dev);
  ::setenv("JOURNAL_STREAM", (device + ":" + std::to_string(status.st_ino)).c_str(), 1);
  EXPECT_TRUE(stderr_is_the_journal());
  // Whatever is started from a terminal or a service inherits the variable of that.
  ::setenv("JOURNAL_STREAM", (device + ":" + std::to_string(status.st_ino + 1)).c_str(), 1);
  EXPECT_FALSE(stderr_is_the_journal());
  ::setenv("JOURNAL_STREAM", "nonsense", 1);
  EXPECT_FALSE(stderr_is_the_journal());
}

TEST_F(LoggingTest, AClientCannotMakeProtobufLogForIt) {
  testing::internal::CaptureStderr();
  start_logging();
  wire::Envelope envelope;
  const bool parsed = envelope.ParseFromString("\x12\x04\x12\x02\xc3\x28");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_FALSE(parsed);
  EXPECT_EQ(text, "");
}

}  // namespace
}  // namespace panbo
