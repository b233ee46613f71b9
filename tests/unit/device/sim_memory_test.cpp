// That a file lease really tells what the simulation takes it for, also across processes.
#include "daemon/device/sim_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>

namespace panbo {
namespace {

constexpr uint64_t kSize = 8192;

class SimMemoryTest : public testing::Test {
 protected:
  [[nodiscard]] Holders holders() { return SimMemory::holders(pages_).value(); }
  [[nodiscard]] UniqueFd lend() { return std::move(*memory_.lend(pages_)); }

  SimMemory memory_ = *SimMemory::open();
  SimPages pages_ = *memory_.allocate(kSize);
};

TEST_F(SimMemoryTest, NobodyElseHasFreshPages) {
  EXPECT_EQ(holders(), Holders::kOnlyUs);
}

TEST_F(SimMemoryTest, AReadOnlyFdCounts) {
  UniqueFd lent = lend();
  UniqueFd reader(::open(("/proc/self/fd/" + std::to_string(lent.get())).c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(reader.valid());
  lent.reset();
  EXPECT_EQ(holders(), Holders::kOthersToo);
  reader.reset();
  EXPECT_EQ(holders(), Holders::kOnlyUs);
}

TEST_F(SimMemoryTest, APrivateMappingCounts) {
  void* const mapping = ::mmap(nullptr, kSize, PROT_READ, MAP_PRIVATE, lend().get(), 0);
  ASSERT_NE(mapping, MAP_FAILED);
  EXPECT_EQ(holders(), Holders::kOthersToo);
  ::munmap(mapping, kSize);
  EXPECT_EQ(holders(), Holders::kOnlyUs);
}

TEST_F(SimMemoryTest, AnotherProcessCountsUntilItIsDead) {
  UniqueFd lent = lend();
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // It has what fork() gave it, and waits to be killed.
    for (;;) ::pause();
  }
  lent.reset();
  EXPECT_EQ(holders(), Holders::kOthersToo);
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_EQ(holders(), Holders::kOnlyUs);
}

TEST_F(SimMemoryTest, WhoOpensTheFileWhileWeLookDoesNotKillUs) {
  // The lease that holders() has for a moment. Breaking it sends a signal, by default one that ends the process.
  ASSERT_EQ(::fcntl(pages_.file.get(), F_SETLEASE, F_WRLCK), 0);
  const std::string path = "/proc/self/fd/" + std::to_string(pages_.file.get());
  EXPECT_LT(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK), 0);
  EXPECT_EQ(errno, EWOULDBLOCK);
  EXPECT_EQ(::fcntl(pages_.file.get(), F_SETLEASE, F_UNLCK), 0);
}

TEST_F(SimMemoryTest, TheSizeIsFixed) {
  const UniqueFd lent = lend();
  EXPECT_LT(::ftruncate(lent.get(), kSize - 4096), 0);
  EXPECT_LT(::ftruncate(lent.get(), kSize + 4096), 0);
  EXPECT_LT(::fcntl(lent.get(), F_ADD_SEALS, F_SEAL_WRITE), 0);
}

TEST_F(SimMemoryTest, DiscardedPagesAreGivenBackAndReadAsZero) {
  const UniqueFd lent = lend();
  const std::string data(kSize, 'x');
  ASSERT_EQ(::pwrite(lent.get(), data.data(), data.size(), 0), static_cast<ssize_t>(kSize));
  struct stat status;
  ASSERT_EQ(::fstat(lent.get(), &status), 0);
  EXPECT_GT(status.st_blocks, 0);

  ASSERT_TRUE(SimMemory::discard(pages_));
  ASSERT_EQ(::fstat(lent.get(), &status), 0);
  EXPECT_EQ(status.st_blocks, 0);
  EXPECT_EQ(status.st_size, static_cast<off_t>(kSize));
  char byte = 'x';
  ASSERT_EQ(::pread(lent.get(), &byte, 1, kSize - 1), 1);
  EXPECT_EQ(byte, 0);
}

TEST_F(SimMemoryTest, FreshPagesTakeNoMemory) {
  struct stat status;
  ASSERT_EQ(::fstat(pages_.file.get(), &status), 0);
  EXPECT_EQ(status.st_blocks, 0);
}

}  // namespace
}  // namespace panbo
