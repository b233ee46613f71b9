#include "daemon/app/pressure_source.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace panbo {
namespace {

class CgroupMemoryEventsTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directory(dir_); }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  void write(const std::string& text) { std::ofstream(dir_ / "memory.events") << text; }

  const std::filesystem::path dir_ = testing::TempDir() + "panbo-memory-events-" + std::to_string(::getpid());
};

TEST_F(CgroupMemoryEventsTest, TellsOnlyWhatIsNew) {
  write("low 0\nhigh 3\nmax 1\noom 0\noom_kill 0\n");
  auto events = CgroupMemoryEvents::open(dir_);
  ASSERT_TRUE(events);
  EXPECT_EQ(*events->read_event(), std::nullopt);
  write("low 0\nhigh 4\nmax 1\noom 0\noom_kill 0\n");
  EXPECT_EQ(*events->read_event(), Pressure::kSome);
  write("low 0\nhigh 4\nmax 2\noom 0\noom_kill 0\n");
  EXPECT_EQ(*events->read_event(), Pressure::kFull);
  EXPECT_EQ(*events->read_event(), std::nullopt);
}

TEST_F(CgroupMemoryEventsTest, IsNotThereWithoutAMemoryController) {
  EXPECT_EQ(CgroupMemoryEvents::open(dir_).error(), Errno{ENOENT});
}

TEST(PsiTrigger, IsNotThereWithoutPsi) {
  EXPECT_EQ(PsiTrigger::open("/nonexistent", Pressure::kSome, 100'000).error(), Errno{ENOENT});
}

TEST(PsiTrigger, OpensWithoutPrivilegeOnAKernelThatHasIt) {
  const auto trigger = PsiTrigger::open("/proc/pressure/memory", Pressure::kSome, 100'000);
  if (!trigger) GTEST_SKIP() << trigger.error().message();
  EXPECT_GE(trigger->fd(), 0);
}

TEST(PsiTrigger, ARefusedWriteIsAnError) {
  // Any file that can be opened but does not take the trigger stands for a kernel that refuses it.
  EXPECT_FALSE(PsiTrigger::open("/proc/self/oom_score_adj", Pressure::kSome, 100'000));
}

}  // namespace
}  // namespace panbo
