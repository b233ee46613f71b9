#include "daemon/app/board_memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace panbo {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

class BoardMemoryTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(dir_ / "slice/unit"); }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  void write(const std::string& name, const std::string& text) { std::ofstream(dir_ / name) << text; }
  void write_meminfo() { write("meminfo", "MemTotal:   2097152 kB\nMemAvailable:  1048576 kB\n"); }
  /// `group` is empty or ends with a slash.
  void write_limits(const std::string& group, uint64_t current_mib, const std::string& high, const std::string& max) {
    write(group + "memory.current", std::to_string(current_mib * kMiB) + "\n");
    write(group + "memory.high", high + "\n");
    write(group + "memory.max", max + "\n");
  }
  BoardMemory open() { return BoardMemory({.meminfo = dir_ / "meminfo", .cgroup = dir_}); }

  const std::filesystem::path dir_ = testing::TempDir() + "panbo-board-memory-" + std::to_string(::getpid());
};

TEST_F(BoardMemoryTest, ReadsWhatTheBoardHas) {
  write("meminfo", "MemTotal:        2048 kB\nMemFree:  1 kB\nMemAvailable:    1024 kB\nBuffers: 3 kB\n");
  const BoardMemory memory = open();
  EXPECT_EQ(memory.available(), 1024u * 1024);
  EXPECT_EQ(memory.total(), 2048u * 1024);
  write("meminfo", "MemTotal:        2048 kB\nMemFree:  1 kB\nMemAvailable:     512 kB\nBuffers: 3 kB\n");
  EXPECT_EQ(memory.available(), 512u * 1024) << "read anew each time";
}

TEST_F(BoardMemoryTest, ACgroupLimitIsWhatIsLeftBelowItButForAReserve) {
  write_meminfo();
  write_limits("", 60, "104857600", "max");
  EXPECT_EQ(open().available(), 32 * kMiB);
  EXPECT_EQ(open().total(), 100 * kMiB);
  write_limits("", 93, "104857600", "max");
  EXPECT_EQ(open().available(), 0u);
  write_limits("", 200, "104857600", "max");
  EXPECT_EQ(open().available(), 0u);
}

TEST_F(BoardMemoryTest, NoLimitIsNoLimit) {
  write_meminfo();
  write_limits("", 60, "max", "max");
  EXPECT_EQ(open().available(), 1024 * kMiB);
  EXPECT_EQ(open().total(), 2048 * kMiB);
}

TEST_F(BoardMemoryTest, FilePagesInTheCgroupAreNotInTheWay) {
  write_limits("", 60, "max", "104857600");
  write("memory.stat",
        "anon 1\nfile 9\ninactive_anon 5\nactive_anon 6\ninactive_file 10485760\nactive_file 20971520\n");
  EXPECT_EQ(open().available(), 62 * kMiB);
  write("memory.stat", "anon 1\ninactive_file 83886080\nactive_file 0\n");
  EXPECT_EQ(open().available(), 92 * kMiB) << "it can be more than memory.current, which was read at another moment";
}

TEST_F(BoardMemoryTest, TheTightestOfAllCgroupsAboveCounts) {
  write_meminfo();
  for (const char* group : {"", "slice/", "slice/unit/"}) write_limits(group, 10, "max", "max");
  const BoardMemory memory({.meminfo = dir_ / "meminfo", .cgroup = dir_ / "slice/unit"});
  EXPECT_EQ(memory.total(), 2048 * kMiB);
  write("slice/memory.max", "314572800\n");
  EXPECT_EQ(memory.total(), 300 * kMiB) << "a limit may be set later";
  EXPECT_EQ(memory.available(), 282 * kMiB);
  write_limits("slice/unit/", 250, "max", "419430400");
  EXPECT_EQ(memory.total(), 300 * kMiB);
  EXPECT_EQ(memory.available(), 142 * kMiB) << "below the larger limit there may be less left";
  write("memory.high", "209715200\n");
  EXPECT_EQ(memory.total(), 200 * kMiB);
}

TEST_F(BoardMemoryTest, ACgroupWithoutAMemoryControllerHasTheLimitsAbove) {
  write_limits("slice/", 0, "max", "104857600");
  EXPECT_EQ(BoardMemory({.meminfo = dir_ / "meminfo", .cgroup = dir_ / "slice/unit"}).total(), 100 * kMiB);
}

TEST_F(BoardMemoryTest, NobodyCanTellWhereNothingCanBeRead) {
  EXPECT_EQ(open().available(), UINT64_MAX);
  EXPECT_EQ(open().total(), UINT64_MAX);
}

TEST_F(BoardMemoryTest, NonsenseIsNotANumber) {
  EXPECT_EQ(parse_meminfo("MemAvailable: lots kB\n", "MemAvailable"), std::nullopt);
  EXPECT_EQ(parse_meminfo("MemAvailable: 12 MB\n", "MemAvailable"), std::nullopt);
  EXPECT_EQ(parse_meminfo("NotMemAvailable: 12 kB\n", "MemAvailable"), std::nullopt);
  EXPECT_EQ(parse_meminfo("", "MemAvailable"), std::nullopt);
}

TEST_F(BoardMemoryTest, TheRealFileIsUnderstood) {
  const BoardMemory memory{BoardMemoryPaths{}};
  EXPECT_GT(memory.available(), 0u);
  EXPECT_LT(memory.available(), memory.total());
}

}  // namespace
}  // namespace panbo
