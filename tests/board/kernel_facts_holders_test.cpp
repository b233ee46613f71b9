// What the design takes for granted about who can be seen to hold a BO.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "daemon/device/dma_buf_refs.h"
#include "daemon/device/idle_watch.h"
#include "tests/board/fd_socket.h"
#include "tests/board/gpu_file.h"

namespace panbo::test {
namespace {

using namespace std::chrono_literals;

class Holders : public testing::Test {
 protected:
  /// References beyond those that a fresh export has.
  int64_t others() { return static_cast<int64_t>(*refs.count(dma_buf.get())) - static_cast<int64_t>(baseline); }

  GpuFile ours;
  GpuFile theirs;
  uint32_t bo = *ours.create(4096);
  UniqueFd dma_buf = ours.export_bo(bo);
  DmaBufRefs refs = *DmaBufRefs::open();
  uint64_t baseline = *refs.count(dma_buf.get());
};

TEST_F(Holders, AFreshExportCountsThree) {
  EXPECT_EQ(baseline, 3u);
  EXPECT_EQ(*refs.count(ours.export_bo(*ours.create(1 << 20)).get()), baseline);
}

TEST_F(Holders, EachFdCounts) {
  const UniqueFd duplicate(::dup(dma_buf.get()));
  EXPECT_EQ(others(), 1);
  const UniqueFd exported = ours.export_bo(bo);
  EXPECT_EQ(others(), 2);
}

TEST_F(Holders, AnFdInFlightCounts) {
  {
    SocketPair sockets;
    const int fd = dma_buf.get();
    ASSERT_TRUE(send_fds(sockets.here.get(), {&fd, 1}));
    EXPECT_EQ(others(), 1);
  }
  EXPECT_EQ(others(), 0);
}

TEST_F(Holders, AnImportingHandleCounts) {
  const uint32_t handle = theirs.import(dma_buf.get());
  EXPECT_EQ(others(), 1);
  EXPECT_EQ(theirs.import(dma_buf.get()), handle);
  EXPECT_EQ(others(), 1);
  theirs.close(handle);
  EXPECT_EQ(others(), 0);
}

TEST_F(Holders, AMappingOfTheDmaBufCounts) {
  void* mapping = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, dma_buf.get(), 0);
  ASSERT_NE(mapping, MAP_FAILED);
  EXPECT_EQ(others(), 1);
  ::munmap(mapping, 4096);
  EXPECT_EQ(others(), 0);
}

TEST_F(Holders, APollThatWaitsForAJobCounts) {
  ours.submit(bo);
  EXPECT_EQ(*usage_of(dma_buf.get()), Usage::kBusy);
  EXPECT_EQ(others(), 1);
  ASSERT_TRUE(ours.wait(bo, monotonic_ns(30s)));
  EXPECT_EQ(others(), 0);
}

TEST_F(Holders, AMappingThroughAnotherDrmFileIsNotSeenByAnybody) {
  const uint32_t handle = theirs.import(dma_buf.get());
  const auto spy = theirs.map(handle, 4096);
  ASSERT_TRUE(spy);
  theirs.close(handle);
  EXPECT_EQ(others(), 0);
  ASSERT_TRUE(ours.madvise(bo, uapi::kDontNeed));
  ASSERT_TRUE(*ours.madvise(bo, uapi::kWillNeed));

  const auto mine = ours.map(bo, 4096);
  ASSERT_TRUE(mine);
  mine->front() = 'a';
  EXPECT_EQ(spy->front(), 'a');
  spy->back() = 'z';
  EXPECT_EQ(mine->back(), 'z');
  ::munmap(spy->data(), spy->size());
  ::munmap(mine->data(), mine->size());
}

}  // namespace
}  // namespace panbo::test
