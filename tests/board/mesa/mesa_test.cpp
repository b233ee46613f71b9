// Mesa, which nobody here wrote, on panbod's memory.

#include <drm.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "proto/panfrost_uapi.h"
#include "tests/board/mesa/mesa_rig.h"

namespace panbo::test {
namespace {

using Words = std::vector<std::string>;

const std::vector<Words> kScenes = {{"draw", "3"}, {"churn", "2"}, {"contexts", "1"}, {"animate", "6"}};

class Mesa : public PanbodOnPanfrost {};

// What is compared is what the program says, and it says what it has read back. A GL error is status 1.
TEST_F(Mesa, DrawsTheSameAndMakesNoBoItself) {
  std::printf("%-10s %-8s %9s %9s %7s %7s %7s %10s %6s\n", "scene", "cache", "CREATE_BO", "GEM_CLOSE", "MADVISE",
              "WAIT_BO", "MMAP_BO", "BO_OFFSET", "SUBMIT");
  for (const Words& scene : kScenes) {
    std::map<Cache, Ending> endings;
    std::map<Cache, std::map<unsigned long, int>> ioctls;
    for (const Cache cache : {Cache::kPrivate, Cache::kPanbo}) {
      auto& counts = ioctls[cache] = ioctls_of_scene(cache, scene, endings[cache]);
      std::printf("%-10s %-8s %9d %9d %7d %7d %7d %10d %6d\n", scene[0].c_str(),
                  cache == Cache::kPrivate ? "private" : "panbo", counts[uapi::kCreateBo], counts[DRM_IOCTL_GEM_CLOSE],
                  counts[uapi::kMadvise], counts[uapi::kWaitBo], counts[uapi::kMmapBo], counts[uapi::kGetBoOffset],
                  counts[uapi::kSubmit]);
      EXPECT_EQ(endings[cache].status, 0) << scene[0] << ": " << endings[cache].err;
    }
    EXPECT_EQ(endings[Cache::kPanbo].out, endings[Cache::kPrivate].out);
    EXPECT_NE(endings[Cache::kPanbo].out, "");
    EXPECT_GT(ioctls[Cache::kPrivate][uapi::kCreateBo], 0);
    EXPECT_EQ(ioctls[Cache::kPanbo][uapi::kCreateBo], 0);
    EXPECT_EQ(ioctls[Cache::kPanbo][uapi::kSubmit], ioctls[Cache::kPrivate][uapi::kSubmit]);
  }
}

TEST_F(Mesa, DrawsALongTime) {
  Ending ending = start_scene(Cache::kPanbo, Jobs::kQuick, {"animate", "500"}).wait();
  EXPECT_EQ(ending.status, 0) << ending.err;
  const Origins origins = Origins::in(ending.err);
  EXPECT_EQ(origins.direct + origins.passed_on + origins.failed, 0) << ending.err;
  const Ending plain = start_scene(Cache::kPrivate, Jobs::kQuick, {"animate", "500"}).wait();
  EXPECT_EQ(ending.out, plain.out);
}

// With the daemon as it is shipped: the second start comes at once after the end of the first one.
TEST_F(Mesa, TheSecondStartFindsItsBosInTheCache) {
  std::printf("%-10s %6s %6s %6s %6s\n", "scene", "start", "BOs", "fresh", "found");
  for (const Words& scene : kScenes) {
    SetUp();
    double found = 0;
    for (const int start : {1, 2}) {
      const Ending ending = start_scene(Cache::kPanbo, Jobs::kReal, scene).wait();
      ASSERT_EQ(ending.status, 0) << ending.err;
      const Origins origins = Origins::in(ending.err);
      found = 1 - static_cast<double>(origins.fresh) / static_cast<double>(origins.total());
      std::printf("%-10s %6d %6lu %6lu %5.0f%%\n", scene[0].c_str(), start, origins.total(), origins.fresh,
                  100 * found);
    }
    EXPECT_GE(found, 0.8) << scene[0];
  }
}

}  // namespace
}  // namespace panbo::test
