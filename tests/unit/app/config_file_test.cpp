#include "daemon/app/config_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace panbo {
namespace {

using namespace std::chrono_literals;

Settings read(const std::string& text) {
  Settings settings;
  read_config(text, "panbod.toml", settings);
  return settings;
}

/// What is wrong with the text; empty: nothing.
std::string complaint(const std::string& text) {
  try {
    read(text);
    return "";
  } catch (const SettingsError& error) {
    return error.what();
  }
}

TEST(ConfigFile, AnEmptyOneChangesNothing) {
  const Settings settings = read("");
  EXPECT_EQ(settings.device, "auto");
  EXPECT_EQ(settings.cache.decay, 10s);
  EXPECT_EQ(settings.cache.max, std::nullopt);
}

TEST(ConfigFile, EveryKeyIsTaken) {
  const Settings settings = read(R"(
device = "panfrost:/dev/dri/renderD128"
socket = "/tmp/panbo.sock"
admin_socket = "/tmp/admin.sock"
log_level = "debug"
[cache]
max = "256MiB"
decay = "250ms"
headroom = 0.5
[local]
decay = "500ms"
[total]
max = 1073741824
[pressure]
enabled = false
[client]
bytes = "1GiB"
addresses = "3GiB"
bos = 1
requests = 2
fds = 3
[user]
bytes = "2GiB"
addresses = "4GiB"
bos = 4
requests = 5
fds = 6
[connections]
per_user = 7
[[stock]]
size = "8MiB"
count = 2
[[stock]]
size = 65536
count = 16
)");
  EXPECT_EQ(settings.device, "panfrost:/dev/dri/renderD128");
  EXPECT_EQ(settings.socket, "/tmp/panbo.sock");
  EXPECT_EQ(settings.admin_socket, "/tmp/admin.sock");
  EXPECT_EQ(settings.log_level, "debug");
  EXPECT_EQ(settings.cache.max, uint64_t{256} << 20);
  EXPECT_EQ(settings.cache.decay, 250ms);
  EXPECT_EQ(settings.cache.headroom, 0.5);
  EXPECT_EQ(settings.local.decay, 500ms);
  EXPECT_EQ(settings.total.max, uint64_t{1} << 30);
  EXPECT_FALSE(settings.pressure.enabled);
  EXPECT_EQ(settings.client.bytes, uint64_t{1} << 30);
  EXPECT_EQ(settings.client.addresses, uint64_t{3} << 30);
  EXPECT_EQ(settings.client.bos, 1u);
  EXPECT_EQ(settings.client.requests, 2u);
  EXPECT_EQ(settings.client.fds, 3u);
  EXPECT_EQ(settings.user.bytes, uint64_t{2} << 30);
  EXPECT_EQ(settings.user.addresses, uint64_t{4} << 30);
  EXPECT_EQ(settings.user.bos, 4u);
  EXPECT_EQ(settings.user.requests, 5u);
  EXPECT_EQ(settings.user.fds, 6u);
  EXPECT_EQ(settings.connections.per_user, 7u);
  ASSERT_EQ(settings.stock.size(), 2u);
  EXPECT_EQ(settings.stock[0].size, uint64_t{8} << 20);
  EXPECT_EQ(settings.stock[0].count, 2u);
  EXPECT_EQ(settings.stock[1].size, 65536u);
  EXPECT_EQ(settings.stock[1].count, 16u);
}

TEST(ConfigFile, DottedKeysAreTheSame) {
  EXPECT_EQ(read("cache.max = 4096").cache.max, 4096u);
}

TEST(ConfigFile, ASizeIsANumberOfBytesOrATextWithAUnit) {
  const auto max = [](const std::string& value) { return *read("cache.max = " + value).cache.max; };
  EXPECT_EQ(max("1"), 1u);
  EXPECT_EQ(max("9223372036854775807"), static_cast<uint64_t>(INT64_MAX));
  EXPECT_EQ(max("\"1\""), 1u);
  EXPECT_EQ(max("\"1KiB\""), 1024u);
  EXPECT_EQ(max("\"64 MiB\""), uint64_t{64} << 20);
  EXPECT_EQ(max("\"3GiB\""), uint64_t{3} << 30);
  EXPECT_EQ(max("\"18446744073709551615\""), UINT64_MAX);
}

TEST(ConfigFile, WhatIsNoSizeIsRefused) {
  for (const char* value : {"0", "-1", "\"0\"", "\"0MiB\"", "\"-1MiB\"", "\" -1\"", "\"\"", "\"lots\"", "\"1.5GiB\"",
                            "\"5 bananas\"", "1.5", "true", "[1]", "\"17179869184GiB\""}) {
    for (const std::string key : {"cache.max", "client.addresses", "user.addresses"}) {
      const std::string text = key + " = " + value;
      EXPECT_TRUE(complaint(text).starts_with("panbod.toml:1: " + key + " must be a size")) << text;
    }
  }
}

TEST(ConfigFile, ATimeIsATextWithAUnit) {
  const auto decay = [](const std::string& value) { return read("cache.decay = " + value).cache.decay; };
  EXPECT_EQ(decay("\"1ms\""), 1ms);
  EXPECT_EQ(decay("\"10s\""), 10s);
  EXPECT_EQ(decay("\"2min\""), 2min);
  EXPECT_EQ(decay("\"24h\""), 24h);
  EXPECT_EQ(decay("\"1234567ms\""), 1234567ms);
  EXPECT_EQ(decay("\"86400s\""), 24h);
}

TEST(ConfigFile, WhatIsNoTimeIsRefused) {
  for (const char* value : {"10", "0", "-1", "\"10\"", "\"0s\"", "\"-1s\"", "\"\"", "\"s\"", "\"ten s\"", "\"nans\"",
                            "\"infs\"", "\"86401s\"", "\"25h\"", "\"1.5s\"", "\"999999999999999999min\"", "true"}) {
    EXPECT_TRUE(
        complaint(std::string("cache.decay = ") + value).starts_with("panbod.toml:1: cache.decay must be a time"))
        << value << ": " << complaint(std::string("cache.decay = ") + value);
  }
}

TEST(ConfigFile, ClientsMayBeToldToKeepNothing) {
  for (const char* value : {"0", "\"0s\"", "\"0ms\""}) {
    EXPECT_EQ(read(std::string("local.decay = ") + value).local.decay, 0s) << value;
  }
  EXPECT_EQ(read("").local.decay, 1s);
  for (const char* value : {"1", "-1", "\"0\"", "\"-1s\"", "\"00s\"", "false", "\"25h\""}) {
    EXPECT_TRUE(complaint(std::string("local.decay = ") + value).starts_with("panbod.toml:1: local.decay must be"))
        << value;
  }
}

TEST(ConfigFile, AShareIsANumberFromZeroToOne) {
  const auto headroom = [](const std::string& value) { return read("cache.headroom = " + value).cache.headroom; };
  EXPECT_EQ(headroom("0"), 0.0);
  EXPECT_EQ(headroom("0.25"), 0.25);
  EXPECT_EQ(headroom("1"), 1.0);
  for (const char* value : {"-0.1", "1.1", "2", "nan", "inf", "\"0.5\"", "true"}) {
    EXPECT_TRUE(complaint(std::string("cache.headroom = ") + value)
                    .starts_with("panbod.toml:1: cache.headroom must be a number"))
        << value;
  }
}

TEST(ConfigFile, ACountIsAtLeastOne) {
  for (const char* key : {"client.bos", "client.requests", "client.fds", "user.bos", "user.requests", "user.fds",
                          "connections.per_user"}) {
    EXPECT_EQ(complaint(std::string(key) + " = 9223372036854775807"), "");
    for (const char* value : {"0", "-1", "1.0", "\"1\"", "true"}) {
      EXPECT_EQ(complaint(std::string(key) + " = " + value),
                std::string("panbod.toml:1: ") + key + " must be a whole number, at least 1");
    }
    EXPECT_NE(complaint(std::string(key) + " = 9223372036854775808"), "");
  }
}

TEST(ConfigFile, WhatIsNoStockIsRefused) {
  const std::string what = "must be a list of tables, [[stock]], each with a size and a count";
  for (const char* text : {"stock = 1", "[stock]\nsize = 1\ncount = 1", "stock = [1]", "[[stock]]\nsize = 1",
                           "[[stock]]\ncount = 1", "[[stock]]\nsize = 1\ncount = 1\ncolour = 1"}) {
    EXPECT_EQ(complaint(text), "panbod.toml:1: stock " + what) << text;
  }
  EXPECT_EQ(complaint("stock = [{size = 1, count = 1}, {size = 1, count = 0}]"),
            "panbod.toml:1: stock entry 2 must be a whole number, at least 1");
  EXPECT_TRUE(complaint("stock = [{size = 0, count = 1}]").starts_with("panbod.toml:1: stock entry 1 must be a size"));
  EXPECT_EQ(complaint("stock = []"), "");
}

TEST(ConfigFile, OtherKindsOfValuesAreChecked) {
  EXPECT_EQ(complaint("pressure.enabled = 1"), "panbod.toml:1: pressure.enabled must be true or false");
  EXPECT_EQ(complaint("device = 1"), "panbod.toml:1: device must be a text in quotes");
  EXPECT_EQ(complaint("socket = \"\""), "panbod.toml:1: socket must be a text in quotes");
  EXPECT_EQ(complaint("log_level = \"loud\""),
            "panbod.toml:1: log_level must be one of trace, debug, info, warning, error, critical, off");
}

TEST(ConfigFile, WhatIsWrongIsNamedWithItsLine) {
  EXPECT_EQ(complaint("# comment\n\n[cache]\nmax = 0\n").substr(0, 25), "panbod.toml:4: cache.max ");
  EXPECT_EQ(complaint("device = \"sim\"\nsokcet = \"/tmp/s\"\n"), "panbod.toml:2: unknown key sokcet");
  EXPECT_EQ(complaint("[cache]\ndecay = \"1s\"\nsize = 5\n"), "panbod.toml:3: unknown key cache.size");
  EXPECT_EQ(complaint("\n[cash]\nmax = 5\n"), "panbod.toml:2: unknown key cash");
  EXPECT_EQ(complaint("\ncache = 5\n"), "panbod.toml:2: unknown key cache");
  EXPECT_EQ(complaint("[[cache]]\nmax = 5\n"), "panbod.toml:1: unknown key cache");
  EXPECT_EQ(complaint("[socket]\nmax = 5\n"), "panbod.toml:1: socket must be a text in quotes");
}

TEST(ConfigFile, ASyntaxErrorHasItsLine) {
  EXPECT_TRUE(complaint("device = \"sim\"\n[cache\n").starts_with("panbod.toml:2: ")) << complaint("\n[cache\n");
  EXPECT_TRUE(complaint("device =\n").starts_with("panbod.toml:1: "));
  EXPECT_TRUE(complaint("device = \"a\"\ndevice = \"b\"\n").starts_with("panbod.toml:2: "));
}

std::string times(size_t count, const std::string& part) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += part;
  return text;
}

TEST(ConfigFile, HoweverDeepItNestsItIsRefused) {
  const size_t deep = 200'000;
  for (const std::string& text : {times(deep, "a.") + "a = 1", "[" + times(deep, "a.") + "a]", times(deep, "\na."),
                                  "a = " + times(deep, "["), "a = " + times(deep, "{a="), "a = " + times(deep, "{a.a="),
                                  "a = \"\"\"\n" + times(deep, "x\n") + times(deep, "a.")}) {
    EXPECT_TRUE(complaint(text).starts_with("panbod.toml:")) << text.substr(0, 20);
    EXPECT_LT(complaint(text).size(), 300u);
  }
  EXPECT_EQ(complaint(times(999, "a.") + "a = 1"), "panbod.toml:1: unknown key a");
  EXPECT_EQ(complaint(times(deep, "  # a comment, with dots ........\n")), "");
}

TEST(ConfigFile, AKeyInAMessageIsShortAndHarmless) {
  EXPECT_EQ(complaint("\"a\\u202e\\n\" = 1"), "panbod.toml:1: unknown key a??");
  EXPECT_EQ(complaint(std::string(5000, 'k') + " = 1"), "panbod.toml:1: unknown key " + std::string(100, 'k'));
}

class ConfigFileOnDisk : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(path_); }
  std::string complaint() const {
    try {
      Settings settings;
      read_config_file(path_, settings);
      return "";
    } catch (const SettingsError& error) {
      return error.what();
    }
  }

  const std::string path_ = testing::TempDir() + "panbo-config-" + std::to_string(::getpid());
};

TEST_F(ConfigFileOnDisk, IsReadOverWhatIsSetAlready) {
  std::ofstream(path_) << "cache.max = 4096\n";
  Settings settings;
  settings.device = "sim";
  read_config_file(path_, settings);
  EXPECT_EQ(settings.cache.max, 4096u);
  EXPECT_EQ(settings.device, "sim");
}

TEST_F(ConfigFileOnDisk, ErrorsHaveItsPath) {
  std::ofstream(path_) << "\ncache.size = 4096\n";
  EXPECT_EQ(complaint(), path_ + ":2: unknown key cache.size");
}

TEST_F(ConfigFileOnDisk, OnlyARegularFileIsRead) {
  std::filesystem::create_symlink("/dev/zero", path_);
  EXPECT_EQ(complaint(), path_ + ": is no regular file");
  std::filesystem::remove(path_);
  // Opening it would wait for somebody who writes.
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(complaint(), path_ + ": is no regular file");
}

TEST_F(ConfigFileOnDisk, OneThatIsTooLargeIsRefused) {
  std::ofstream(path_) << times(64 * 1024 - 1, "#") << "\n";
  EXPECT_EQ(complaint(), "");
  std::ofstream(path_) << times(64 * 1024, "#") << "\n";
  EXPECT_EQ(complaint(), path_ + ": has more than 65536 bytes");
}

TEST_F(ConfigFileOnDisk, OneThatCannotBeReadIsAnError) {
  EXPECT_EQ(complaint(), path_ + ": No such file or directory");
  std::filesystem::create_directory(path_);
  EXPECT_EQ(complaint(), path_ + ": Is a directory");
}

}  // namespace
}  // namespace panbo
