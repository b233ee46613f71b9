#include "client/interpose/translate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "proto/panfrost_uapi.h"
#include "tests/unit/interpose/fake_kernel.h"
#include "tests/unit/interpose/fake_panbo.h"

namespace panbo::interpose {
namespace {

constexpr int kFd = 3;

class TranslateTest : public testing::Test {
 protected:
  ~TranslateTest() override { file_.close_client(); }

  int call(unsigned long request, void* argument) { return translate(file_, {kFd, request, argument}); }

  uint32_t create(uint32_t size = 4096, uint32_t flags = uapi::kBoNoexec) {
    uapi::CreateBo request{.size = size, .flags = flags};
    EXPECT_EQ(call(uapi::kCreateBo, &request), 0);
    EXPECT_EQ(request.offset, FakePanbo::address_of(request.handle));
    return request.handle;
  }

  int close(uint32_t handle) {
    drm_gem_close request{.handle = handle};
    return call(DRM_IOCTL_GEM_CLOSE, &request);
  }

  int wait(uint32_t handle) {
    uapi::WaitBo request{.handle = handle};
    return call(uapi::kWaitBo, &request);
  }

  int submit(std::vector<uint32_t> handles) {
    uapi::Submit request{.bo_handles = reinterpret_cast<uintptr_t>(handles.data()),
                         .bo_handle_count = static_cast<uint32_t>(handles.size())};
    return call(uapi::kSubmit, &request);
  }

  size_t kernel_calls(unsigned long request) { return static_cast<size_t>(std::ranges::count(kernel_.calls, request)); }

  FakePanbo panbo_;
  FakeKernel kernel_;
  OpenFile file_{kernel_, 100};
};

TEST_F(TranslateTest, ABoComesFromPanbo) {
  create(5000);
  EXPECT_TRUE(kernel_.calls.empty());
  ASSERT_EQ(panbo_.requests.size(), 1);
  EXPECT_EQ(panbo_.requests[0].size, 5000);
  EXPECT_EQ(panbo_.requests[0].flags, 0);
  EXPECT_GT(panbo_.requests[0].timeout_ns, 0);
  ASSERT_EQ(panbo_.connects.size(), 1);
  EXPECT_EQ(panbo_.connects[0].drm_fd, 100);
  EXPECT_EQ(panbo_.connects[0].flags, PANBO_CLIENT_DIRECT);
}

TEST_F(TranslateTest, KindsOfBosStayWhatTheyAre) {
  create(4096, 0);
  create(4096, uapi::kBoNoexec | uapi::kBoHeap);
  EXPECT_EQ(panbo_.requests[0].flags, PANBO_BO_EXECUTABLE);
  EXPECT_EQ(panbo_.requests[1].flags, PANBO_BO_HEAP);
}

TEST_F(TranslateTest, WhatMakesNoSenseTheKernelRefuses) {
  kernel_.error = EINVAL;
  for (uapi::CreateBo request :
       {uapi::CreateBo{.size = 0, .flags = uapi::kBoNoexec}, uapi::CreateBo{.size = 4096, .flags = uapi::kBoHeap},
        uapi::CreateBo{.size = 4096, .flags = 0x80},
        uapi::CreateBo{.size = 4096, .flags = uapi::kBoNoexec, .pad = 1}}) {
    EXPECT_EQ(call(uapi::kCreateBo, &request), -1);
    EXPECT_EQ(errno, EINVAL);
  }
  EXPECT_EQ(kernel_calls(uapi::kCreateBo), 4);
  EXPECT_TRUE(panbo_.requests.empty());
  EXPECT_EQ(file_.counts().passed_on, 4);
}

TEST_F(TranslateTest, WhereAStructSaysMoreTheKernelDoesIt) {
  struct {
    uapi::CreateBo known;
    uint64_t unknown;
  } longer{{.size = 4096, .flags = uapi::kBoNoexec}, 0};
  const unsigned long request = DRM_IOWR(DRM_COMMAND_BASE + 0x02, longer);
  EXPECT_EQ(call(request, &longer), 0);
  EXPECT_EQ(panbo_.requests.size(), 1);
  longer.unknown = 1;
  EXPECT_EQ(call(request, &longer), 0);
  EXPECT_EQ(panbo_.requests.size(), 1);
  EXPECT_EQ(kernel_calls(request), 1);
}

TEST_F(TranslateTest, WithoutAClientTheKernelMakesTheBos) {
  panbo_.connect_error = -EPROTONOSUPPORT;
  for (int i = 0; i < 2; ++i) {
    uapi::CreateBo request{.size = 4096, .flags = uapi::kBoNoexec};
    EXPECT_EQ(call(uapi::kCreateBo, &request), 0);
  }
  EXPECT_EQ(kernel_calls(uapi::kCreateBo), 2);
  EXPECT_EQ(panbo_.connects.size(), 1) << "it was tried again";
}

TEST_F(TranslateTest, ProgramsKnowTheErrorsOfTheKernelAlone) {
  const std::map<int, int> errors = {{-ENOSPC, ENOSPC}, {-EDQUOT, ENOMEM}, {-ETIMEDOUT, ENOMEM}, {-ENOTCONN, ENOMEM}};
  for (const auto& [error, seen] : errors) {
    panbo_.alloc_error = error;
    uapi::CreateBo request{.size = 4096, .flags = uapi::kBoNoexec};
    EXPECT_EQ(call(uapi::kCreateBo, &request), -1);
    EXPECT_EQ(errno, seen);
  }
}

TEST_F(TranslateTest, SuccessLeavesErrnoAlone) {
  errno = EXDEV;
  const uint32_t bo = create();
  EXPECT_EQ(close(bo), 0);
  EXPECT_EQ(errno, EXDEV);
}

TEST_F(TranslateTest, ABoThatNoJobUsedIsReleasedAsIdle) {
  const uint32_t bo = create();
  EXPECT_EQ(close(bo), 0);
  ASSERT_EQ(panbo_.releases.size(), 1);
  EXPECT_EQ(panbo_.releases[0].handle, bo);
  EXPECT_EQ(panbo_.releases[0].flags, PANBO_RELEASE_IDLE);
  EXPECT_TRUE(kernel_.calls.empty());
}

TEST_F(TranslateTest, ABoThatWasSubmittedMayBeBusyUntilTheKernelSaysThatItIsNot) {
  const uint32_t waited_for = create();
  const uint32_t other = create();
  EXPECT_EQ(submit({waited_for, other, 77}), 0);
  EXPECT_EQ(wait(waited_for), 0);
  EXPECT_EQ(wait(waited_for), 0);
  EXPECT_EQ(kernel_calls(uapi::kWaitBo), 1) << "the second time it was known";
  close(waited_for);
  close(other);
  EXPECT_EQ(panbo_.releases[0].flags, PANBO_RELEASE_IDLE);
  EXPECT_EQ(panbo_.releases[1].flags, 0);
}

TEST_F(TranslateTest, AWaitThatFailsSaysNothing) {
  const uint32_t bo = create();
  submit({bo});
  kernel_.error = ETIMEDOUT;
  EXPECT_EQ(wait(bo), -1);
  EXPECT_EQ(errno, ETIMEDOUT);
  close(bo);
  EXPECT_EQ(panbo_.releases[0].flags, 0);
}

TEST_F(TranslateTest, AJobThatIsSubmittedDuringTheWaitIsNotOverWithIt) {
  const uint32_t bo = create();
  submit({bo});
  kernel_.on_ioctl = [&](const IoctlCall& call) {
    if (call.request == uapi::kWaitBo) submit({bo});
  };
  EXPECT_EQ(wait(bo), 0);
  close(bo);
  EXPECT_EQ(panbo_.releases[0].flags, 0);
}

TEST_F(TranslateTest, ASubmitThatTheKernelRefusesMakesNothingBusy) {
  const uint32_t bo = create();
  kernel_.error = EINVAL;
  EXPECT_EQ(submit({bo}), -1);
  uapi::Submit unreadable{.bo_handles = 8, .bo_handle_count = 1};
  EXPECT_EQ(call(uapi::kSubmit, &unreadable), -1);
  close(bo);
  EXPECT_EQ(panbo_.releases[0].flags, PANBO_RELEASE_IDLE);
}

TEST_F(TranslateTest, AnExportedBoIsReleasedAsSharedAndNeverKnownToBeIdle) {
  const uint32_t exported = create();
  const uint32_t named = create();
  drm_prime_handle prime{.handle = exported};
  EXPECT_EQ(call(DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime), 0);
  drm_gem_flink flink{.handle = named};
  EXPECT_EQ(call(DRM_IOCTL_GEM_FLINK, &flink), 0);
  wait(exported);
  EXPECT_EQ(kernel_calls(uapi::kWaitBo), 1);
  close(exported);
  close(named);
  EXPECT_EQ(panbo_.releases[0].flags, PANBO_RELEASE_SHARED);
  EXPECT_EQ(panbo_.releases[1].flags, PANBO_RELEASE_SHARED);
}

TEST_F(TranslateTest, AProgramThatClosesItsFileSaysWhatWasExported) {
  create();
  const uint32_t exported = create();
  drm_prime_handle prime{.handle = exported};
  EXPECT_EQ(call(DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime), 0);
  file_.close_client();
  ASSERT_EQ(panbo_.releases.size(), 1);
  EXPECT_EQ(panbo_.releases[0].handle, exported);
  EXPECT_EQ(panbo_.releases[0].flags, PANBO_RELEASE_SHARED);
}

TEST_F(TranslateTest, PagesAreAlwaysRetained) {
  const uint32_t bo = create();
  for (const uint32_t advice : {uapi::kDontNeed, uapi::kWillNeed}) {
    uapi::Madvise request{.handle = bo, .madv = advice};
    EXPECT_EQ(call(uapi::kMadvise, &request), 0);
    EXPECT_EQ(request.retained, 1);
  }
  EXPECT_TRUE(kernel_.calls.empty());
}

TEST_F(TranslateTest, ForeignHandlesAreTheKernels) {
  constexpr uint32_t kForeign = 99;
  uapi::Madvise madvise{.handle = kForeign};
  uapi::MmapBo mmap{.handle = kForeign};
  uapi::GetBoOffset offset{.handle = kForeign};
  EXPECT_EQ(call(uapi::kMadvise, &madvise), 0);
  EXPECT_EQ(call(uapi::kMmapBo, &mmap), 0);
  EXPECT_EQ(call(uapi::kGetBoOffset, &offset), 0);
  EXPECT_EQ(wait(kForeign), 0);
  EXPECT_EQ(close(kForeign), 0);
  EXPECT_EQ(kernel_.calls.size(), 5);
  EXPECT_TRUE(panbo_.releases.empty());
}

TEST_F(TranslateTest, AHandleThatTheProgramHasClosedIsNone) {
  const uint32_t bo = create();
  close(bo);
  EXPECT_EQ(close(bo), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(wait(bo), -1);
  EXPECT_EQ(errno, ENOENT);
  drm_prime_handle prime{.handle = bo};
  EXPECT_EQ(call(DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_TRUE(kernel_.calls.empty()) << "libpanbo's handle was in danger";
  EXPECT_EQ(panbo_.releases.size(), 1);
}

TEST_F(TranslateTest, AHandleThatLibpanboHasClosedIsTheKernels) {
  const uint32_t bo = create();
  close(bo);
  panbo_.reuse = true;
  panbo_bo* kept = panbo_.make(4096, 0);
  panbo_.drop(kept);
  EXPECT_EQ(file_.bos().use(bo), HandleUse::kForeign);
  EXPECT_EQ(wait(bo), 0);
  EXPECT_EQ(kernel_calls(uapi::kWaitBo), 1);
}

TEST_F(TranslateTest, ABoThatWasKeptKeepsWhatIsKnownOfIt) {
  kernel_.on_ioctl = [](const IoctlCall& call) {
    if (call.request == uapi::kMmapBo) static_cast<uapi::MmapBo*>(call.argument)->offset = 0x12345000;
  };
  const uint32_t bo = create();
  uapi::MmapBo first{.handle = bo};
  EXPECT_EQ(call(uapi::kMmapBo, &first), 0);
  submit({bo});
  close(bo);
  panbo_.reuse = true;
  EXPECT_EQ(create(), bo);
  uapi::MmapBo again{.handle = bo};
  EXPECT_EQ(call(uapi::kMmapBo, &again), 0);
  EXPECT_EQ(again.offset, 0x12345000);
  EXPECT_EQ(kernel_calls(uapi::kMmapBo), 1);
  EXPECT_EQ(wait(bo), 0);
  EXPECT_EQ(kernel_calls(uapi::kWaitBo), 0) << "libpanbo gives out only what is idle";
}

TEST_F(TranslateTest, MappingWithFlagsIsRefusedByTheKernelAlsoWhenTheOffsetIsKnown) {
  const uint32_t bo = create();
  uapi::MmapBo request{.handle = bo};
  call(uapi::kMmapBo, &request);
  kernel_.error = EINVAL;
  request.flags = 1;
  EXPECT_EQ(call(uapi::kMmapBo, &request), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(TranslateTest, TheGpuAddressIsKnown) {
  uapi::GetBoOffset request{.handle = create()};
  EXPECT_EQ(call(uapi::kGetBoOffset, &request), 0);
  EXPECT_EQ(request.offset, FakePanbo::address_of(request.handle));
  EXPECT_TRUE(kernel_.calls.empty());
}

TEST(IsTranslatedTest, OnlyWhatHasToDoWithBos) {
  EXPECT_TRUE(is_translated(uapi::kCreateBo));
  EXPECT_TRUE(is_translated(DRM_IOCTL_GEM_CLOSE));
  EXPECT_FALSE(is_translated(DRM_IOCTL_VERSION));
  EXPECT_FALSE(is_translated(DRM_IOCTL_PRIME_FD_TO_HANDLE));
  EXPECT_FALSE(is_translated(_IOWR('T', _IOC_NR(uapi::kCreateBo), uapi::CreateBo))) << "of another kind of device";
}

}  // namespace
}  // namespace panbo::interpose
