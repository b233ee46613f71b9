#include "daemon/app/command_line.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace panbo {
namespace {

class CommandLineTest : public testing::Test {
 protected:
  // Always a configuration file of the test's own, so that the machine's does not matter.
  void SetUp() override { configure(""); }
  void TearDown() override { std::filesystem::remove(config_); }
  void configure(const std::string& text) const { std::ofstream(config_) << text; }

  std::variant<Settings, ExitNow> parse(std::vector<const char*> words) {
    words.insert(words.begin(), {"panbod", "--config", config_.c_str()});
    return parse_words(words);
  }
  std::variant<Settings, ExitNow> parse_words(const std::vector<const char*>& words) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    auto parsed = parse_command_line(static_cast<int>(words.size()), words.data());
    out_ = testing::internal::GetCapturedStdout();
    error_ = testing::internal::GetCapturedStderr();
    return parsed;
  }
  int exit_status(const std::vector<const char*>& words) { return std::get<ExitNow>(parse(words)).status; }

  const std::string config_ = testing::TempDir() + "panbo-command-line-" + std::to_string(::getpid());
  std::string out_;
  std::string error_;
};

TEST_F(CommandLineTest, WithoutOptionsTheDefaultsHold) {
  const auto settings = std::get<Settings>(parse({}));
  EXPECT_EQ(settings.device, "auto");
  EXPECT_EQ(settings.socket, "/run/panbo/panbo.sock");
  EXPECT_EQ(settings.admin_socket, std::nullopt);
  EXPECT_EQ(settings.log_level, "info");
}

TEST_F(CommandLineTest, TheConfigurationFileIsRead) {
  configure("device = \"sim\"\nsocket = \"/tmp/s\"\nlog_level = \"error\"\ncache.max = 4096\n");
  const auto settings = std::get<Settings>(parse({}));
  EXPECT_EQ(settings.device, "sim");
  EXPECT_EQ(settings.socket, "/tmp/s");
  EXPECT_EQ(settings.log_level, "error");
  EXPECT_EQ(settings.cache.max, 4096u);
}

TEST_F(CommandLineTest, OptionsOverrideTheConfigurationFile) {
  configure(
      "device = \"panfrost\"\nsocket = \"/tmp/s\"\nadmin_socket = \"/tmp/a\"\nlog_level = \"error\"\n"
      "cache.max = 4096\n");
  const auto settings = std::get<Settings>(
      parse({"--device", "sim", "--socket", "/tmp/t", "--admin-socket", "/tmp/b", "--log-level", "trace"}));
  EXPECT_EQ(settings.device, "sim");
  EXPECT_EQ(settings.socket, "/tmp/t");
  EXPECT_EQ(settings.admin_socket, "/tmp/b");
  EXPECT_EQ(settings.log_level, "trace");
  EXPECT_EQ(settings.cache.max, 4096u);
}

TEST_F(CommandLineTest, HelpAndVersionAreNoFailures) {
  EXPECT_EQ(exit_status({"--help"}), 0);
  EXPECT_NE(out_.find("--device"), std::string::npos);
  EXPECT_EQ(exit_status({"--version"}), 0);
  EXPECT_EQ(out_.substr(0, 7), "panbod ");
  EXPECT_EQ(error_, "");
}

TEST_F(CommandLineTest, WhatIsWrongEndsWithTwoAndSaysWhy) {
  EXPECT_EQ(exit_status({"--log-level", "loud"}), 2);
  EXPECT_NE(error_.find("--log-level"), std::string::npos);
  EXPECT_EQ(exit_status({"--cache", "5"}), 2);
  EXPECT_NE(error_.find("--cache"), std::string::npos);
  EXPECT_EQ(exit_status({"--socket"}), 2);
  EXPECT_EQ(exit_status({"file"}), 2);
}

TEST_F(CommandLineTest, EveryLogLevelIsTaken) {
  for (const std::string_view level : kLogLevels) {
    EXPECT_EQ(std::get<Settings>(parse({"--log-level", std::string(level).c_str()})).log_level, level);
  }
}

TEST_F(CommandLineTest, AConfigurationFileThatIsNamedHasToBeThere) {
  try {
    static_cast<void>(parse_command_line(3, std::array{"panbod", "--config", "/nonexistent"}.data()));
    ADD_FAILURE() << "accepted";
  } catch (const SettingsError& error) {
    EXPECT_STREQ(error.what(), "--config /nonexistent: No such file or directory");
  }
}

TEST_F(CommandLineTest, KnowsWhereEachSettingWasMade) {
  configure("device = \"panfrost\"\n\n[cache]\nmax = 4096\n");
  const auto settings = std::get<Settings>(parse({"--device", "sim"}));
  const std::map<std::string, std::string> expected = {{"device", "--device"}, {"cache.max", config_ + ":4"}};
  EXPECT_EQ(settings.origins, expected);
}

}  // namespace
}  // namespace panbo
