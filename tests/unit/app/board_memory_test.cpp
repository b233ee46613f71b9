#include "daemon/app/board_memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace panbo {
namespace {

class BoardMemoryTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(dir_ / "slice/unit"); }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  void write(const std::string& name, const std::string& text) { std::ofstream(dir_ / name) << text; }
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

TEST_F(BoardMemoryTest, ACgroupLimitIsWhatIsLeftBelowIt) {
  write("meminfo", "MemTotal:   2048 kB\nMemAvailable:  1024 kB\n");
  write("memory.current", "60000\n");
  write("memory.high", "100000\n");
  write("memory.max", "max\n");
  EXPECT_EQ(open().available(), 40000u);
  EXPECT_EQ(open().total(), 100000u);
  write("memory.current", "200000\n");
  EXPECT_EQ(open().available(), 0u);
}

TEST_F(BoardMemoryTest, NoLimitIsNoLimit) {
  write("meminfo", "MemTotal:   2048 kB\nMemAvailable:  1024 kB\n");
  write("memory.current", "60000\n");
  write("memory.high", "max\n");
  write("memory.max", "max\n");
  EXPECT_EQ(open().available(), 1024u * 1024);
}

TEST_F(BoardMemoryTest, FilePagesInTheCgroupAreNotInTheWay) {
  write("memory.current", "60000\n");
  write("memory.high", "max\n");
  write("memory.max", "100000\n");
  write("memory.stat", "anon 20000\nfile 9\ninactive_anon 5\nactive_anon 6\ninactive_file 30000\nactive_file 10000\n");
  EXPECT_EQ(open().available(), 80000u);
  write("memory.stat", "anon 0\ninactive_file 60000\nactive_file 10000\n");
  EXPECT_EQ(open().available(), 100000u) << "it can be more than memory.current, which was read at another moment";
}

TEST_F(BoardMemoryTest, TheTightestOfAllCgroupsAboveCounts) {
  write("meminfo", "MemTotal:   2048 kB\nMemAvailable:  1024 kB\n");
  for (const char* group : {"", "slice/", "slice/unit/"}) {
    write(std::string(group) + "memory.current", "10000\n");
    write(std::string(group) + "memory.high", "max\n");
    write(std::string(group) + "memory.max", "max\n");
  }
  const BoardMemory memory({.meminfo = dir_ / "meminfo", .cgroup = dir_ / "slice/unit"});
  EXPECT_EQ(memory.total(), 2048u * 1024);
  write("slice/memory.max", "300000\n");
  EXPECT_EQ(memory.total(), 300000u) << "a limit may be set later";
  EXPECT_EQ(memory.available(), 290000u);
  write("slice/unit/memory.max", "400000\n");
  write("slice/unit/memory.current", "250000\n");
  EXPECT_EQ(memory.total(), 300000u);
  EXPECT_EQ(memory.available(), 150000u) << "the larger limit may have less left";
  write("memory.high", "200000\n");
  EXPECT_EQ(memory.total(), 200000u);
}

TEST_F(BoardMemoryTest, ACgroupWithoutAMemoryControllerHasTheLimitsAbove) {
  write("slice/memory.current", "0\n");
  write("slice/memory.high", "max\n");
  write("slice/memory.max", "5000\n");
  EXPECT_EQ(BoardMemory({.meminfo = dir_ / "meminfo", .cgroup = dir_ / "slice/unit"}).total(), 5000u);
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
