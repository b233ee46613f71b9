#include "daemon/app/board_memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace panbo {
namespace {

class BoardMemoryTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directory(dir_); }
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
