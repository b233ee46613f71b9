// What a driver has of its BOs: handles, addresses, mappings, fds; and when they go.

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "client/lib/client.h"
#include "tests/support/fake_daemon.h"
#include "tests/support/fake_drm_file.h"
#include "tests/support/fds.h"

namespace panbo::test {
namespace {

bool is_mapped(void* memory) {
  return ::msync(memory, 4096, MS_ASYNC) == 0;
}

class DriverTest : public testing::Test {
 protected:
  ~DriverTest() override { panbo_client_close(client_); }

  void connect(panbo_drop_fn on_drop = nullptr) {
    auto client = Client::connect({.socket_path = daemon_.socket_path(),
                                   .name = "driver",
                                   .flags = PANBO_CLIENT_NO_CACHE,
                                   .drm = std::make_unique<FakeDrmFile>(kernel_),
                                   .on_drop = on_drop});
    ASSERT_TRUE(client) << client.error().message();
    client_ = client->release();
  }

  panbo_bo* alloc(uint32_t flags = 0) {
    const panbo_alloc_request request{.struct_size = sizeof(request), .flags = flags, .size = 4096};
    panbo_bo* bo = nullptr;
    EXPECT_EQ(panbo_bo_alloc(client_, &request, &bo), 0);
    return bo;
  }

  // The daemon is in this process. When it has read a release, it has closed its fds of all that it lent before.
  void await_quiet_daemon() {
    const size_t before = daemon_.seen().released.size();
    EXPECT_EQ(panbo_bo_release(alloc(), 0), 0);
    EXPECT_TRUE(daemon_.becomes([&](const FakeDaemon::Seen& seen) { return seen.released.size() > before; }));
  }

  FakeDaemon daemon_;
  FakeDrmFile::Kernel kernel_;
  panbo_client* client_ = nullptr;
};

TEST_F(DriverTest, ABoHasAHandleAndNoFd) {
  connect();
  await_quiet_daemon();
  const int fds = open_fds();
  panbo_bo* bo = alloc();
  await_quiet_daemon();
  uint32_t handle = 0;
  ASSERT_EQ(panbo_bo_get_handle(bo, &handle), 0);
  EXPECT_EQ(kernel_.open(), std::vector{handle});
  // The fake kernel's is one.
  EXPECT_EQ(open_fds(), fds + 1);
}

TEST_F(DriverTest, TheFdIsMadeOnce) {
  connect();
  panbo_bo* bo = alloc();
  const int fd = panbo_bo_get_fd(bo);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(panbo_bo_get_fd(bo), fd);
  kernel_.fail_with(Errno{EMFILE});
  EXPECT_EQ(panbo_bo_get_fd(bo), fd);
  kernel_.fail_with(std::nullopt);
  panbo_bo* other = alloc();
  kernel_.fail_with(Errno{EMFILE});
  EXPECT_EQ(panbo_bo_get_fd(other), -EMFILE);
}

TEST_F(DriverTest, TheKernelIsAskedOnceForAnAddressAndAMapping) {
  connect();
  panbo_bo* bo = alloc();
  uint32_t handle = 0;
  uint64_t address = 0;
  void* memory = nullptr;
  ASSERT_EQ(panbo_bo_get_handle(bo, &handle), 0);
  ASSERT_EQ(panbo_bo_get_gpu_address(bo, &address), 0);
  EXPECT_EQ(address, fake_gpu_address(handle));
  ASSERT_EQ(panbo_bo_map(bo, &memory), 0);
  *static_cast<char*>(memory) = 'p';
  const int calls = kernel_.calls();
  void* again = nullptr;
  EXPECT_EQ(panbo_bo_map(bo, &again), 0);
  EXPECT_EQ(again, memory);
  EXPECT_EQ(panbo_bo_get_gpu_address(bo, &address), 0);
  EXPECT_EQ(kernel_.calls(), calls);
}

TEST_F(DriverTest, AHeapCannotBeMapped) {
  connect();
  void* memory = nullptr;
  EXPECT_EQ(panbo_bo_map(alloc(PANBO_BO_HEAP), &memory), -EPERM);
  EXPECT_EQ(memory, nullptr);
}

TEST_F(DriverTest, WaitsForItsHandle) {
  connect();
  panbo_bo* bo = alloc();
  uint32_t handle = 0;
  ASSERT_EQ(panbo_bo_get_handle(bo, &handle), 0);
  EXPECT_EQ(panbo_bo_wait(bo, 0), 0);
  kernel_.set_busy(handle, true);
  EXPECT_EQ(panbo_bo_wait(bo, 0), -ETIMEDOUT);
}

// The daemon must find nobody who has it when it hears of the release.
TEST_F(DriverTest, EverythingIsClosedBeforeTheLeaseIsGivenBack) {
  connect();
  panbo_bo* bo = alloc();
  void* memory = nullptr;
  ASSERT_EQ(panbo_bo_map(bo, &memory), 0);
  ASSERT_GE(panbo_bo_get_fd(bo), 0);
  std::vector<uint32_t> open_then{1};
  bool mapped_then = true;
  daemon_.follow([&](FakeDaemon::Peer&, const wire::Envelope& request) {
    if (request.has_release()) {
      open_then = kernel_.open();
      mapped_then = is_mapped(memory);
    }
    return false;
  });
  EXPECT_EQ(panbo_bo_release(bo, 0), 0);
  EXPECT_TRUE(daemon_.becomes([](const FakeDaemon::Seen& seen) { return seen.released.size() == 1; }));
  // The script has run when its thread has ended.
  daemon_.stop();
  EXPECT_TRUE(open_then.empty());
  EXPECT_FALSE(mapped_then);
}

TEST_F(DriverTest, OnDropSeesTheBoAsItWas) {
  static std::vector<uint32_t> dropped;
  dropped.clear();
  connect([](panbo_bo* bo, void* user_data) {
    uint32_t handle = 0;
    EXPECT_EQ(panbo_bo_get_handle(bo, &handle), 0);
    EXPECT_EQ(*static_cast<uint32_t*>(user_data), handle);
    dropped.push_back(handle);
  });
  uint32_t handles[2];
  for (uint32_t& handle : handles) {
    panbo_bo* bo = alloc();
    EXPECT_EQ(panbo_bo_get_user_data(bo), nullptr);
    ASSERT_EQ(panbo_bo_get_handle(bo, &handle), 0);
    panbo_bo_set_user_data(bo, &handle);
    EXPECT_EQ(panbo_bo_get_user_data(bo), &handle);
    if (&handle == handles) {
      ASSERT_EQ(panbo_bo_release(bo, 0), 0);
    }
  }
  EXPECT_EQ(dropped, std::vector{handles[0]});
  panbo_client_close(std::exchange(client_, nullptr));
  EXPECT_EQ(dropped, (std::vector{handles[0], handles[1]}));
  EXPECT_TRUE(kernel_.open().empty());
}

TEST_F(DriverTest, WhatCannotBeImportedIsGivenBack) {
  connect();
  kernel_.fail_with(Errno{EXDEV});
  const panbo_alloc_request request{.struct_size = sizeof(request), .size = 4096};
  panbo_bo* bo = nullptr;
  EXPECT_EQ(panbo_bo_alloc(client_, &request, &bo), -EXDEV);
  EXPECT_EQ(bo, nullptr);
  EXPECT_TRUE(daemon_.becomes([](const FakeDaemon::Seen& seen) { return seen.released.size() == 1; }));
}

// The child has the same DRM file: what it closed there would be closed for its parent.
TEST_F(DriverTest, AForkedChildLeavesTheHandlesAlone) {
  connect();
  panbo_bo* bo = alloc();
  alloc();
  uint32_t handle = 0;
  void* memory = nullptr;
  ASSERT_EQ(panbo_bo_map(bo, &memory), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    const int calls = kernel_.calls();
    bool good = panbo_bo_get_handle(bo, &handle) == -EOWNERDEAD;
    good = good && panbo_bo_release(bo, 0) == -EOWNERDEAD && !is_mapped(memory);
    panbo_client_close(client_);
    ::_exit(good && kernel_.calls() == calls ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(kernel_.open().size(), 2u);
}

TEST_F(DriverTest, WithoutADrmFileThereIsAnFdAndNoHandle) {
  auto client = Client::connect({.socket_path = daemon_.socket_path()});
  ASSERT_TRUE(client);
  client_ = client->release();
  panbo_bo* bo = alloc();
  uint32_t handle = 0;
  uint64_t address = 0;
  EXPECT_EQ(panbo_bo_get_handle(bo, &handle), -ENOTSUP);
  EXPECT_EQ(panbo_bo_get_gpu_address(bo, &address), -ENOTSUP);
  void* memory = nullptr;
  ASSERT_EQ(panbo_bo_map(bo, &memory), 0);
  void* again = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, panbo_bo_get_fd(bo), 0);
  *static_cast<char*>(memory) = 'p';
  EXPECT_EQ(*static_cast<char*>(again), 'p');
  ::munmap(again, 4096);
}

TEST_F(DriverTest, AFileThatIsNoPanfrostGpuIsRefused) {
  const UniqueFd memory = make_memfd(4096);
  panbo_client_options options{
      .struct_size = sizeof(options), .socket_path = daemon_.socket_path().c_str(), .drm_fd = memory.get()};
  EXPECT_EQ(panbo_client_connect(&options, &client_), -ENOTSUP);
  options.drm_fd = -1;
  options.flags = PANBO_CLIENT_DIRECT;
  EXPECT_EQ(panbo_client_connect(&options, &client_), -EINVAL);
  EXPECT_EQ(daemon_.seen().connects, 0);
}

}  // namespace
}  // namespace panbo::test
