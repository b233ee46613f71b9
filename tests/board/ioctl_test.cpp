// What a program may expect of the panfrost driver's BOs. It must be true with the bare kernel and under panbo-run, so
// this program runs both ways.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <xf86drm.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "tests/board/gpu_file.h"
#include "tests/support/await.h"
#include "tests/support/in_child.h"
#include "tests/support/threads.h"

namespace panbo::test {
namespace {

constexpr uint32_t kSize = 64 * 1024;

// 0 or the errno.
int close_error(int fd, uint32_t handle) {
  drm_gem_close request{.handle = handle};
  return drmIoctl(fd, DRM_IOCTL_GEM_CLOSE, &request) == 0 ? 0 : errno;
}

int wait_error(int fd, uint32_t handle) {
  uapi::WaitBo request{.handle = handle};
  return drmIoctl(fd, uapi::kWaitBo, &request) == 0 ? 0 : errno;
}

uint32_t create_on(int fd) {
  uapi::CreateBo request{.size = kSize, .flags = uapi::kBoNoexec};
  EXPECT_EQ(drmIoctl(fd, uapi::kCreateBo, &request), 0);
  return request.handle;
}

TEST(Ioctl, RequestsThatMakeNoSenseAreRefused) {
  GpuFile gpu;
  EXPECT_EQ(gpu.create(0).error(), Errno{EINVAL});
  EXPECT_EQ(gpu.create(kSize, uapi::kBoHeap).error(), Errno{EINVAL});
  EXPECT_EQ(gpu.create(kSize, 0x8000).error(), Errno{EINVAL});
  EXPECT_EQ(drmIoctl(gpu.fd(), uapi::kCreateBo, nullptr), -1);
  EXPECT_EQ(errno, EFAULT);
}

TEST(Ioctl, ABoHasAHandleAnAddressAndMemory) {
  GpuFile gpu;
  for (const uint32_t flags : {uapi::kBoNoexec, 0u}) {
    uapi::CreateBo request{.size = kSize, .flags = flags};
    ASSERT_EQ(drmIoctl(gpu.fd(), uapi::kCreateBo, &request), 0);
    EXPECT_NE(request.handle, 0);
    EXPECT_EQ(gpu.gpu_address(request.handle), request.offset);
    const auto memory = gpu.map(request.handle, kSize);
    ASSERT_TRUE(memory);
    (*memory)[kSize - 1] = 42;
    const auto again = gpu.map(request.handle, kSize);
    EXPECT_EQ((*again)[kSize - 1], 42);
    ::munmap(memory->data(), kSize);
    ::munmap(again->data(), kSize);
    EXPECT_EQ(*gpu.madvise(request.handle, uapi::kWillNeed), true);
    EXPECT_EQ(close_error(gpu.fd(), request.handle), 0);
  }
}

TEST(Ioctl, AHeapHasNoMemoryForTheCpu) {
  GpuFile gpu;
  const uint32_t heap = *gpu.create(kSize, uapi::kBoNoexec | uapi::kBoHeap);
  EXPECT_EQ(gpu.map(heap, kSize).error(), Errno{EINVAL});
  EXPECT_EQ(close_error(gpu.fd(), heap), 0);
}

TEST(Ioctl, AHandleThatIsClosedIsNone) {
  GpuFile gpu;
  const uint32_t bo = *gpu.create(kSize);
  EXPECT_EQ(close_error(gpu.fd(), bo), 0);
  EXPECT_EQ(close_error(gpu.fd(), bo), EINVAL);
  EXPECT_EQ(wait_error(gpu.fd(), bo), ENOENT);
  EXPECT_EQ(gpu.madvise(bo, uapi::kWillNeed).error(), Errno{ENOENT});
  EXPECT_EQ(gpu.map(bo, kSize).error(), Errno{ENOENT});
  int exported = -1;
  EXPECT_EQ(drmPrimeHandleToFD(gpu.fd(), bo, DRM_CLOEXEC, &exported), -1);
  EXPECT_EQ(errno, ENOENT);
}

TEST(Ioctl, ABoIsBusyAsLongAsItsJob) {
  GpuFile gpu;
  const uint32_t bo = *gpu.create(kSize);
  EXPECT_TRUE(gpu.wait(bo, 0));
  gpu.submit(bo);
  EXPECT_EQ(gpu.wait(bo, 0).error(), Errno{EBUSY});
  EXPECT_EQ(gpu.wait(bo, monotonic_ns(std::chrono::milliseconds(1))).error(), Errno{ETIMEDOUT});
  EXPECT_TRUE(gpu.wait(bo, monotonic_ns(std::chrono::minutes(1))));
  EXPECT_TRUE(gpu.wait(bo, 0));
}

TEST(Ioctl, ABusyBoIsNotGivenAgain) {
  GpuFile gpu;
  const uint32_t bo = *gpu.create(kSize);
  const uint32_t witness = *gpu.create(kSize);
  gpu.submit({bo, witness});
  EXPECT_EQ(close_error(gpu.fd(), bo), 0);
  const uint32_t next = *gpu.create(kSize);
  EXPECT_TRUE(gpu.wait(next, 0));
  EXPECT_EQ(gpu.wait(witness, 0).error(), Errno{EBUSY}) << "the job had ended already";
}

TEST(Ioctl, ACopyOfAnFdHasTheSameHandles) {
  UniqueFd copy;
  uint32_t bo = 0;
  {
    GpuFile gpu;
    bo = *gpu.create(kSize);
    copy.reset(::fcntl(gpu.fd(), F_DUPFD_CLOEXEC, 200));
    EXPECT_EQ(wait_error(copy.get(), bo), 0);
  }
  EXPECT_EQ(wait_error(copy.get(), bo), 0);
  const uint32_t other = create_on(copy.get());
  EXPECT_NE(other, bo);
  EXPECT_EQ(close_error(copy.get(), bo), 0);
  EXPECT_EQ(close_error(copy.get(), other), 0);
}

TEST(Ioctl, AnFdThatAnotherFileReplacesHasNoOldHandles) {
  GpuFile first;
  GpuFile second;
  std::vector<uint32_t> handles;
  for (int i = 0; i < 5; ++i) handles.push_back(*first.create(kSize));
  const int number = ::fcntl(first.fd(), F_DUPFD_CLOEXEC, 200);
  EXPECT_EQ(wait_error(number, handles[4]), 0);
  ASSERT_EQ(::dup3(second.fd(), number, O_CLOEXEC), number);
  EXPECT_EQ(wait_error(number, handles[4]), ENOENT);
  const uint32_t bo = create_on(number);
  EXPECT_EQ(wait_error(second.fd(), bo), 0);
  ::close(number);
  EXPECT_EQ(wait_error(second.fd(), bo), 0);
  EXPECT_EQ(wait_error(first.fd(), handles[4]), 0);
}

TEST(Ioctl, AnExportedBoIsOneInAllFiles) {
  GpuFile maker;
  GpuFile user;
  const uint32_t made = *maker.create(kSize);
  const UniqueFd dma_buf = maker.export_bo(made);
  EXPECT_EQ(maker.import(dma_buf.get()), made) << "one handle in a file, which is not counted";
  const uint32_t imported = user.import(dma_buf.get());
  (*maker.map(made, kSize))[0] = 1;
  EXPECT_EQ((*user.map(imported, kSize))[0], 1);
  EXPECT_EQ(close_error(maker.fd(), made), 0);
  EXPECT_EQ(wait_error(maker.fd(), made), ENOENT);
  const uint32_t again = maker.import(dma_buf.get());
  EXPECT_EQ((*maker.map(again, kSize))[0], 1);
  const uint32_t other = *maker.create(kSize);
  EXPECT_NE(other, again);
  (*maker.map(other, kSize))[0] = 2;
  EXPECT_EQ((*user.map(imported, kSize))[0], 1);
  EXPECT_EQ(close_error(maker.fd(), again), 0);
  EXPECT_EQ(close_error(user.fd(), imported), 0);
}

TEST(Ioctl, AForkedChildHasBosOfItsOwnAndLeavesItsParents) {
  GpuFile gpu;
  const uint32_t bo = *gpu.create(kSize);
  const auto memory = *gpu.map(bo, kSize);
  memory[0] = 1;
  struct Seen {
    bool parents;
    bool own;
  };
  const Seen seen = in_child([&]() -> Seen {
    const auto parents = gpu.map(bo, kSize);
    const auto made = gpu.create(kSize);
    if (!made) return {};
    const auto own = gpu.map(*made, kSize);
    if (!own) return {};
    (*own)[0] = 2;
    return {parents && (*parents)[0] == 1, close_error(gpu.fd(), *made) == 0};
  });
  EXPECT_TRUE(seen.parents);
  EXPECT_TRUE(seen.own);
  EXPECT_EQ(memory[0], 1);
  EXPECT_EQ(wait_error(gpu.fd(), bo), 0);
  const uint32_t next = *gpu.create(kSize);
  EXPECT_NE(next, bo);
  (*gpu.map(next, kSize))[0] = 3;
  EXPECT_EQ(memory[0], 1);
}

TEST(Ioctl, ThreadsDoNotGetEachOthersBos) {
  GpuFile gpu;
  std::atomic<int> mixed_up = 0;
  std::vector<std::thread> threads;
  for (unsigned char id = 1; id <= 8; ++id) {
    threads.emplace_back([&gpu, &mixed_up, id] {
      for (int i = 0; i < 50; ++i) {
        const auto bo = gpu.create(4096 * (1 + i % 3));
        const auto memory = bo ? gpu.map(*bo, 4096) : Result<std::span<unsigned char>>(bo.error());
        if (!memory) {
          ++mixed_up;
          continue;
        }
        (*memory)[0] = id;
        std::this_thread::yield();
        if ((*memory)[0] != id) ++mixed_up;
        ::munmap(memory->data(), memory->size());
        if (close_error(gpu.fd(), *bo) != 0) ++mixed_up;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(mixed_up, 0);
}

TEST(Ioctl, AProgramThatIsExecutedHasTheHandlesOfTheFdsThatItInherits) {
  GpuFile gpu;
  const uint32_t bo = *gpu.create(kSize);
  (*gpu.map(bo, kSize))[0] = 77;
  const int inherited = ::dup(gpu.fd());
  const std::string command = "exec /proc/" + std::to_string(::getpid()) + "/exe --inherited " +
                              std::to_string(inherited) + " " + std::to_string(bo);
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 77);
  ::close(inherited);
}

// What the executed program returns: the first byte of the BO.
int first_byte(int fd, uint32_t handle) {
  uapi::MmapBo request{.handle = handle};
  if (drmIoctl(fd, uapi::kMmapBo, &request) != 0) return 0;
  void* memory = ::mmap(nullptr, kSize, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(request.offset));
  if (memory == MAP_FAILED || create_on(fd) == handle) return 0;
  return *static_cast<unsigned char*>(memory);
}

bool make_pair(const GpuFile& gpu) {
  uapi::CreateBo request{.size = kSize, .flags = uapi::kBoNoexec};
  return drmIoctl(gpu.fd(), uapi::kCreateBo, &request) == 0 && close_error(gpu.fd(), request.handle) == 0;
}

// For panbo-run-suite, which counts system calls between two that nothing else makes. Returns an exit status.
int make_pairs(int count) {
  const GpuFile gpu;
  bool made = make_pair(gpu);
  await("the library's thread has nothing to do", other_threads_wait);
  ::getppid();
  for (int i = 0; i < count && made; ++i) made = make_pair(gpu);
  ::getppid();
  return made ? 0 : 1;
}

}  // namespace
}  // namespace panbo::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc == 4) return panbo::test::first_byte(std::atoi(argv[2]), static_cast<uint32_t>(std::atoi(argv[3])));
  if (argc == 3) return panbo::test::make_pairs(std::atoi(argv[2]));
  return RUN_ALL_TESTS();
}
