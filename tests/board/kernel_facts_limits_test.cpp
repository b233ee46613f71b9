// What the design takes for granted about sizes, address space, and memory that runs out.
#include <gtest/gtest.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/board/board_state.h"
#include "tests/board/gpu_file.h"
#include "tests/support/in_child.h"

namespace panbo::test {
namespace {

constexpr uint32_t kMiB = 1 << 20;
constexpr uint32_t kHeap = uapi::kBoNoexec | uapi::kBoHeap;

uint64_t size_of(GpuFile& gpu, uint32_t bo) {
  return static_cast<uint64_t>(::lseek(gpu.export_bo(bo).get(), 0, SEEK_END));
}

/// Creates BOs until the kernel refuses one.
struct Filled {
  int bos = 0;
  Errno error{1};
};
Filled fill(GpuFile& gpu, uint32_t size, uint32_t flags, int at_most) {
  Filled filled;
  while (filled.bos < at_most) {
    const auto bo = gpu.create(size, flags);
    if (!bo) {
      filled.error = bo.error();
      break;
    }
    ++filled.bos;
  }
  return filled;
}

TEST(AddressSpace, OneDrmFileHasFourGibibytesLess32Mebibytes) {
  GpuFile gpu;
  // Heap BOs take addresses and no memory.
  const Filled filled = fill(gpu, 64 * kMiB, kHeap, 100);
  EXPECT_EQ(filled.bos, 63);
  EXPECT_EQ(filled.error, Errno{ENOSPC});
  EXPECT_TRUE(gpu.create(32 * kMiB, kHeap));
  EXPECT_FALSE(gpu.create(2 * kMiB, kHeap));
}

TEST(AddressSpace, AnotherDrmFileHasItsOwn) {
  GpuFile full;
  EXPECT_EQ(fill(full, 64 * kMiB, kHeap, 100).bos, 63);
  GpuFile other;
  EXPECT_EQ(fill(other, 64 * kMiB, kHeap, 100).bos, 63);
}

TEST(AddressSpace, AnImportTakesAsMuchAsABoOfItsOwn) {
  GpuFile ours;
  GpuFile theirs;
  const uint32_t bo = *ours.create(64 * kMiB, kHeap);
  theirs.import(ours.export_bo(bo).get());
  EXPECT_EQ(fill(theirs, 64 * kMiB, kHeap, 100).bos, 62);
}

TEST(AddressSpace, AnExecutableBoNeedsAHoleAtAMultipleOfItsSize) {
  GpuFile gpu;
  std::vector<uint32_t> heaps;
  for (int i = 0; i < 63; ++i) heaps.push_back(*gpu.create(64 * kMiB, kHeap));
  // The first begins at 32 MiB, so none at a multiple of 64 MiB.
  gpu.close(heaps[10]);
  EXPECT_EQ(gpu.create(64 * kMiB, 0).error(), Errno{ENOSPC});
  EXPECT_TRUE(gpu.create(64 * kMiB));
}

TEST(Sizes, ZeroIsRefused) {
  GpuFile gpu;
  EXPECT_EQ(gpu.create(0).error(), Errno{EINVAL});
}

TEST(Sizes, ABoIsWholePages) {
  GpuFile gpu;
  EXPECT_EQ(size_of(gpu, *gpu.create(1)), 4096u);
  EXPECT_EQ(size_of(gpu, *gpu.create(4097)), 8192u);
}

TEST(Sizes, AnExecutableBoIsAlignedToItsOwnSize) {
  GpuFile gpu;
  for (const uint32_t size : {4096u, 3 * 4096u, 64u * 1024, 1 * kMiB, 4096u, 16 * kMiB}) {
    const uint32_t bo = *gpu.create(size, 0);
    EXPECT_EQ(gpu.gpu_address(bo) % size, 0u) << size;
  }
}

TEST(Heap, NeedsNoexec) {
  GpuFile gpu;
  EXPECT_EQ(gpu.create(2 * kMiB, uapi::kBoHeap).error(), Errno{EINVAL});
}

TEST(Heap, IsWholeTwoMebibytes) {
  GpuFile gpu;
  EXPECT_EQ(size_of(gpu, *gpu.create(1, kHeap)), 2 * kMiB);
  EXPECT_EQ(size_of(gpu, *gpu.create(2 * kMiB + 1, kHeap)), 4 * kMiB);
}

TEST(Heap, HasNoPagesUntilTheGpuNeedsThem) {
  GpuFile gpu;
  const uint64_t before = meminfo("MemFree");
  const uint32_t bo = *gpu.create(256 * kMiB, kHeap);
  EXPECT_GT(meminfo("MemFree") + 64 * kMiB, before);
  gpu.close(bo);
  ASSERT_TRUE(gpu.create(256 * kMiB));
  EXPECT_LT(meminfo("MemFree") + 192 * kMiB, before);
}

TEST(Heap, CannotBeMappedButLent) {
  GpuFile ours;
  GpuFile theirs;
  const uint32_t bo = *ours.create(2 * kMiB, kHeap);
  EXPECT_EQ(ours.map(bo, 2 * kMiB).error(), Errno{EINVAL});
  theirs.close(theirs.import(ours.export_bo(bo).get()));
}

/// Takes no memory, unlike a look at /proc/meminfo: whoever takes any while there is none may be killed for it.
uint64_t free_memory() {
  struct sysinfo info {};
  ::sysinfo(&info);
  return uint64_t{info.freeram} * info.mem_unit;
}

TEST(OutOfMemory, ARequestThatCannotSucceedFillsTheMemoryFirst) {
  GpuFile gpu;
  const uint64_t free = free_memory();
  std::atomic<bool> over{false};
  uint64_t least = free;
  std::thread watcher([&] {
    while (!over) least = std::min(least, free_memory());
  });
  const auto bo = gpu.create(3u * 1024 * kMiB);
  over = true;
  watcher.join();
  ASSERT_FALSE(bo);
  EXPECT_EQ(bo.error(), Errno{ENOMEM});
  EXPECT_LT(least, free / 8);
  EXPECT_TRUE(gpu.create(kMiB));
}

/// A memory cgroup with a limit of 64 MiB.
class CgroupLimit : public testing::Test {
 protected:
  static constexpr int kLimitMiB = 64;

  void SetUp() override {
    std::ofstream("/sys/fs/cgroup/cgroup.subtree_control") << "+memory";
    std::filesystem::create_directory(kGroup);
    std::ofstream limit(kGroup / "memory.max");
    ASSERT_TRUE(limit << uint64_t{kLimitMiB} * kMiB << std::flush) << "needs root, and a cgroup2 with memory";
  }
  void TearDown() override { std::filesystem::remove(kGroup); }

  static void enter() { std::ofstream(kGroup / "cgroup.procs") << ::getpid(); }
  static uint64_t current() {
    uint64_t bytes = 0;
    std::ifstream(kGroup / "memory.current") >> bytes;
    return bytes;
  }
  static int event(const std::string& name) {
    std::ifstream events(kGroup / "memory.events");
    std::string key;
    for (int count; events >> key >> count;) {
      if (key == name) return count;
    }
    return -1;
  }

  inline static const std::filesystem::path kGroup = "/sys/fs/cgroup/panbo-kernel-facts";
};

TEST_F(CgroupLimit, RefusesBosWithoutAKillAndGrantsThemAgainAfterwards) {
  struct Seen {
    Filled first, second;
  };
  const Seen seen = in_child([] {
    enter();
    Seen seen;
    {
      GpuFile gpu;
      seen.first = fill(gpu, kMiB, uapi::kBoNoexec, 1000);
    }
    GpuFile gpu;
    seen.second = fill(gpu, kMiB, uapi::kBoNoexec, 1000);
    return seen;
  });
  EXPECT_EQ(seen.first.error, Errno{ENOMEM});
  EXPECT_LT(seen.first.bos, kLimitMiB);
  EXPECT_GE(seen.first.bos, kLimitMiB - 4);
  EXPECT_EQ(seen.second.error, Errno{ENOMEM});
  EXPECT_GE(seen.second.bos, kLimitMiB - 4);
  EXPECT_EQ(event("oom_kill"), 0);
}

TEST_F(CgroupLimit, BeyondMemoryHighNothingIsRefusedAndTheCreatorIsMadeToWait) {
  std::ofstream(kGroup / "memory.high") << 16 * kMiB;
  std::ofstream(kGroup / "memory.max") << "max";
  const Filled filled = in_child([] {
    enter();
    GpuFile gpu;
    return fill(gpu, kMiB, uapi::kBoNoexec, 24);
  });
  EXPECT_EQ(filled.bos, 24);
  EXPECT_GT(event("high"), 0);
  // In microseconds, "some" first.
  std::ifstream pressure(kGroup / "memory.pressure");
  std::string word;
  while (pressure >> word && !word.starts_with("total=")) continue;
  EXPECT_GT(std::stoull(word.substr(word.find('=') + 1)), 100'000u) << "for 8 MiB too many";
}

TEST_F(CgroupLimit, ChargesTheCreatorAlsoWhenSomebodyElseImports) {
  GpuFile creator;
  const UniqueFd dma_buf = creator.export_bo(*creator.create(32 * kMiB));
  const bool imported = in_child([&dma_buf] {
    enter();
    GpuFile importer;
    const auto mapping = importer.map(importer.import(dma_buf.get()), 32 * kMiB);
    if (!mapping) return false;
    std::ranges::fill(*mapping, 1);
    return current() < 16 * kMiB;
  });
  EXPECT_TRUE(imported);
}

}  // namespace
}  // namespace panbo::test
