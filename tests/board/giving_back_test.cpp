// A program that keeps what it has released, and then sleeps: how its memory comes back to the kernel without any call
// of its own. What the kernel has back is what /proc/meminfo counts as Shmem, which the pages of BOs are.
//
// The times are printed, for docs/using-panbo-from-a-driver.md, and not asserted: on a board under emulation they
// mean little.
#include <gtest/gtest.h>
#include <panbo.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <optional>
#include <vector>

#include "tests/board/board_state.h"
#include "tests/board/gpu_file.h"
#include "tests/board/memory_cgroup.h"
#include "tests/support/await.h"
#include "tests/support/panbod_process.h"
#include "tests/support/wire_peer.h"

namespace panbo::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kSize = kMiB / 4;
constexpr int kBos = 128;
/// Of the 32 MiB: something else on the board may take or give back a little meanwhile.
constexpr uint64_t kNearlyAll = 30 * kMiB;

std::string file_with(const std::string& text) {
  const std::string path = "/tmp/giving-back.toml";
  std::ofstream(path) << text;
  return path;
}

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// A driver's client with 32 MiB of BOs that were used, and released.
class Keeper {
 public:
  explicit Keeper(const std::string& socket) {
    panbo_client_options options{};
    options.struct_size = sizeof(options);
    options.socket_path = socket.c_str();
    options.drm_fd = gpu_.fd();
    EXPECT_EQ(panbo_client_connect(&options, &client_), 0);
    std::vector<panbo_bo*> bos(kBos);
    for (panbo_bo*& bo : bos) {
      panbo_alloc_request request{};
      request.struct_size = sizeof(request);
      request.size = kSize;
      EXPECT_EQ(panbo_bo_alloc(client_, &request, &bo), 0);
      void* memory = nullptr;
      EXPECT_EQ(panbo_bo_map(bo, &memory), 0);
    }
    for (panbo_bo* bo : bos) EXPECT_EQ(panbo_bo_release(bo, PANBO_RELEASE_IDLE), 0);
  }
  ~Keeper() { panbo_client_close(client_); }
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

 private:
  GpuFile gpu_;
  panbo_client* client_ = nullptr;
};

TEST(GivingBack, AnIdleProgramsMemoryIsTheKernelsAfterTheDecay) {
  const std::string config = file_with("[cache]\ndecay = \"50ms\"\n[local]\ndecay = \"1s\"\n");
  const PanbodProcess daemon({"--config", config}, "panfrost");
  WirePeer admin(daemon.admin_socket_path());
  const uint64_t before = meminfo("Shmem");
  const Keeper program(daemon.socket_path());
  const auto released = Clock::now();
  const uint64_t most = meminfo("Shmem");
  EXPECT_GE(most - before, kNearlyAll);
  EXPECT_GE(admin.stats().local().bytes(), kNearlyAll) << "it keeps them at first";

  await("the kernel has the memory back", [&] { return meminfo("Shmem") + kNearlyAll <= most; });
  std::printf("idle: 32 MiB back in the kernel %.0f ms after their release (local.decay 1000 ms, cache.decay 50 ms)\n",
              milliseconds_since(released));
  await("no lease is left", [&] { return admin.stats().leased().count() == 0; });
}

TEST(GivingBack, UnderPressureAnIdleProgramsMemoryIsTheKernelsAtOnce) {
  const std::string config =
      file_with("[cache]\ndecay = \"1h\"\n[local]\ndecay = \"1h\"\n[pressure]\nenabled = true\n");
  MemoryCgroup cgroup;
  cgroup.enter();
  const PanbodProcess daemon({"--config", config}, "panfrost");
  cgroup.leave();
  WirePeer admin(daemon.admin_socket_path());
  const Keeper program(daemon.socket_path());
  const uint64_t most = meminfo("Shmem");
  ASSERT_GE(admin.stats().local().bytes(), kNearlyAll);

  // The cgroup comes to its limit because somebody in it reads much.
  cgroup.limit(cgroup.current() + 8 * kMiB);
  cgroup.enter();
  std::ifstream disk("/dev/vda");
  std::vector<char> part(kMiB);
  std::optional<Clock::time_point> heard;
  while (!heard) {
    disk.read(part.data(), static_cast<std::streamsize>(part.size()));
    ASSERT_TRUE(disk);
    if (daemon.log().find("memory pressure: full") != std::string::npos) heard = Clock::now();
  }
  cgroup.leave();
  await("the kernel has the memory back", [&] { return meminfo("Shmem") + kNearlyAll <= most; });
  std::printf("pressure: 32 MiB back in the kernel %.0f ms after panbod's log told of it\n",
              milliseconds_since(*heard));
  await("no lease is left", [&] { return admin.stats().leased().count() == 0; });
  EXPECT_EQ(cgroup.event("oom_kill"), 0u);
}

}  // namespace
}  // namespace panbo::test
