// libpanbo as a driver uses it: with a DRM file of the real driver, and the real daemon.
#include <fcntl.h>
#include <sys/wait.h>

#include "tests/board/gpu_file.h"
#include "tests/board/panbod_rig.h"
#include "tests/support/fds.h"

namespace panbo::test {
namespace {

constexpr uint64_t kSize = 64 * 1024;

class LibraryOnPanfrost : public PanbodOnPanfrost {
 protected:
  ~LibraryOnPanfrost() override { panbo_client_close(client_); }

  void connect(uint32_t flags = 0, const char* socket_path = nullptr) {
    panbo_client_options options{};
    options.struct_size = sizeof(options);
    options.flags = flags;
    options.socket_path = socket_path;
    options.drm_fd = gpu_.fd();
    ASSERT_EQ(panbo_client_connect(&options, &client_), 0);
  }
  panbo_bo* alloc(uint64_t size = kSize, uint32_t flags = 0) {
    panbo_alloc_request request{};
    request.struct_size = sizeof(request);
    request.size = size;
    request.flags = flags;
    panbo_bo* bo = nullptr;
    EXPECT_EQ(panbo_bo_alloc(client_, &request, &bo), 0);
    return bo;
  }
  static uint32_t handle_of(const panbo_bo* bo) {
    uint32_t handle = 0;
    EXPECT_EQ(panbo_bo_get_handle(bo, &handle), 0);
    return handle;
  }
  static uint64_t address_of(panbo_bo* bo) {
    uint64_t address = 0;
    EXPECT_EQ(panbo_bo_get_gpu_address(bo, &address), 0);
    return address;
  }
  static unsigned char* map(panbo_bo* bo) {
    void* memory = nullptr;
    EXPECT_EQ(panbo_bo_map(bo, &memory), 0);
    return static_cast<unsigned char*>(memory);
  }
  /// Whether the handle is open in the driver's file.
  bool is_open(uint32_t handle) { return gpu_.map(handle, 4096).ok(); }

  GpuFile gpu_;
  panbo_client* client_ = nullptr;
};

TEST_F(LibraryOnPanfrost, ABoHasAHandleAnAddressAndAMapping) {
  connect();
  panbo_bo* bo = alloc();
  EXPECT_EQ(address_of(bo), gpu_.gpu_address(handle_of(bo)));
  EXPECT_NE(address_of(bo), 0u);
  unsigned char* memory = map(bo);
  EXPECT_EQ(memory[kSize - 1], 0);
  memory[kSize - 1] = 'p';
  const auto same = gpu_.map(handle_of(bo), kSize);
  ASSERT_TRUE(same);
  EXPECT_EQ((*same)[kSize - 1], 'p');
}

TEST_F(LibraryOnPanfrost, ThousandsOfBosTakeNoFds) {
  connect();
  // Something is kept: the library has all the fds of its own now.
  EXPECT_EQ(panbo_bo_release(alloc(), PANBO_RELEASE_IDLE), 0);
  const int fds = open_fds();
  for (int i = 0; i < 2000; ++i) alloc(4096);
  EXPECT_EQ(open_fds(), fds);
}

TEST_F(LibraryOnPanfrost, AHeapHasAnAddressAndNoMapping) {
  connect();
  panbo_bo* heap = alloc(1, PANBO_BO_HEAP);
  EXPECT_NE(address_of(heap), 0u);
  void* memory = nullptr;
  EXPECT_EQ(panbo_bo_map(heap, &memory), -EPERM);
}

TEST_F(LibraryOnPanfrost, ABusyBoIsNotUsedAgainBeforeItsJobHasEnded) {
  connect();
  panbo_bo* bo = alloc();
  EXPECT_EQ(panbo_bo_wait(bo, 0), 0);
  const uint32_t witness = *gpu_.create(4096);
  gpu_.submit({handle_of(bo), witness});
  EXPECT_EQ(panbo_bo_wait(bo, 0), -ETIMEDOUT);
  EXPECT_EQ(panbo_bo_wait(bo, 1'000'000), -ETIMEDOUT);
  EXPECT_EQ(panbo_bo_release(bo, 0), 0);
  EXPECT_NE(alloc(), bo);
  EXPECT_EQ(gpu_.wait(witness, 0).error(), Errno{EBUSY}) << "the job was still running";
  ASSERT_TRUE(gpu_.wait(witness, monotonic_ns(std::chrono::minutes(1))));
  EXPECT_EQ(alloc(), bo);
  EXPECT_EQ(panbo_bo_get_origin(bo), PANBO_ORIGIN_LOCAL);
}

TEST_F(LibraryOnPanfrost, WaitsUntilAJobHasEnded) {
  connect();
  panbo_bo* bo = alloc();
  gpu_.submit(handle_of(bo));
  EXPECT_EQ(panbo_bo_wait(bo, -1), 0);
  EXPECT_EQ(panbo_bo_wait(bo, 0), 0);
}

// The program calls nothing meanwhile. That the BO is ready says that nobody has a handle of it any more.
TEST_F(LibraryOnPanfrost, WhatIsNotUsedGoesBackToTheDaemon) {
  connect();
  panbo_bo* bo = alloc();
  map(bo);
  const uint32_t handle = handle_of(bo);
  EXPECT_EQ(panbo_bo_release(bo, PANBO_RELEASE_IDLE), 0);
  EXPECT_TRUE(is_open(handle));
  await_ready(1);
  EXPECT_FALSE(is_open(handle));
  EXPECT_EQ(admin_.stats().leased().count(), 0u);
  EXPECT_EQ(panbo_bo_get_origin(alloc()), PANBO_ORIGIN_CACHED);
}

TEST_F(LibraryOnPanfrost, ABoWhoseFdWasAskedForIsNotKept) {
  connect();
  panbo_bo* bo = alloc();
  const UniqueFd elsewhere(::fcntl(panbo_bo_get_fd(bo), F_DUPFD_CLOEXEC, 0));
  ASSERT_TRUE(elsewhere.valid());
  EXPECT_EQ(panbo_bo_release(bo, PANBO_RELEASE_IDLE), 0);
  await_held(1);
}

// The DRM file is the same one in both.
TEST_F(LibraryOnPanfrost, AForkedChildLeavesTheHandlesOpen) {
  connect();
  panbo_bo* bo = alloc();
  const uint64_t address = address_of(bo);
  const pid_t pid = ::fork();
  if (pid == 0) {
    panbo_client_close(client_);
    ::_exit(0);
  }
  ::waitpid(pid, nullptr, 0);
  EXPECT_EQ(gpu_.gpu_address(handle_of(bo)), address);
}

TEST_F(LibraryOnPanfrost, WithoutADaemonBosAreMadeInTheDriversFile) {
  connect(PANBO_CLIENT_DIRECT, "/run/panbo/nobody.sock");
  for (const uint32_t flags : {0u, PANBO_BO_EXECUTABLE, PANBO_BO_ZEROED, PANBO_BO_HEAP}) {
    panbo_bo* bo = alloc(5000, flags);
    EXPECT_EQ(panbo_bo_get_origin(bo), PANBO_ORIGIN_DIRECT);
    EXPECT_NE(address_of(bo), 0u);
    const uint32_t handle = handle_of(bo);
    if ((flags & PANBO_BO_HEAP) == 0) {
      EXPECT_EQ(panbo_bo_get_size(bo), 8192u);
      map(bo)[8191] = 'p';
      EXPECT_TRUE(is_open(handle));
    }
    EXPECT_GE(panbo_bo_get_fd(bo), 0);
    EXPECT_EQ(panbo_bo_wait(bo, 0), 0);
    EXPECT_EQ(panbo_bo_release(bo, 0), 0);
    EXPECT_FALSE(is_open(handle));
  }
}

TEST_F(LibraryOnPanfrost, AFileOfAnotherDriverIsRefused) {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  panbo_client_options options{};
  options.struct_size = sizeof(options);
  options.drm_fd = null.get();
  EXPECT_EQ(panbo_client_connect(&options, &client_), -ENOTSUP);
}

}  // namespace
}  // namespace panbo::test
