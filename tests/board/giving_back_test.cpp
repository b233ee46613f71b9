// A program that keeps what it has released, and then sleeps: how its memory comes back to the kernel without any call
// of its own. What the kernel has back is what /proc/meminfo counts as Shmem, which the pages of BOs are.
//
// The times are printed, for docs/using-panbo-from-a-driver.md, and not asserted: on a board whose clock is the host's
// they mean little. Under pressure it is the time in panbod's own log line that counts, not when the test sees it.
#include <gtest/gtest.h>
#include <panbo.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <optional>
#include <stdexcept>
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
using Milliseconds = std::chrono::milliseconds;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kSize = kMiB / 4;
constexpr int kBos = 128;
/// Of the 32 MiB: something else on the board may take or give back a little meanwhile.
constexpr uint64_t kNearlyAll = 30 * kMiB;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// When panbod first logged a line with `what`, by the time of day in front of it. Nothing: it has not yet.
std::optional<Milliseconds> logged_at(const std::string& log, const std::string& what) {
  const size_t found = log.find(what);
  if (found == std::string::npos) return std::nullopt;
  const size_t line = log.rfind('\n', found) + 1;
  int hours = 0;
  int minutes = 0;
  int seconds = 0;
  int milliseconds = 0;
  if (std::sscanf(&log[line], "%d:%d:%d.%d", &hours, &minutes, &seconds, &milliseconds) != 4) {
    throw std::runtime_error("no time in the log: " + log);
  }
  return std::chrono::hours(hours) + std::chrono::minutes(minutes) + std::chrono::seconds(seconds) +
         Milliseconds(milliseconds);
}

/// As panbod's log has it.
Milliseconds time_of_day() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t whole = std::chrono::system_clock::to_time_t(now);
  std::tm local{};
  ::localtime_r(&whole, &local);
  const auto fraction = now - std::chrono::floor<std::chrono::seconds>(now);
  return std::chrono::hours(local.tm_hour) + std::chrono::minutes(local.tm_min) + std::chrono::seconds(local.tm_sec) +
         std::chrono::floor<Milliseconds>(fraction);
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
  const PanbodProcess daemon("panfrost", "[cache]\ndecay = \"50ms\"\n[local]\ndecay = \"1s\"\n");
  WirePeer admin(daemon.admin_socket_path());
  const uint64_t before = meminfo("Shmem");
  const Keeper program(daemon.socket_path());
  const auto released = Clock::now();
  const uint64_t most = meminfo("Shmem");
  EXPECT_GE(most - before, kNearlyAll);
  await("it keeps them at first", [&] { return admin.stats().local().bytes() >= kNearlyAll; });

  await("the kernel has the memory back", [&] { return meminfo("Shmem") + kNearlyAll <= most; });
  std::printf("idle: 32 MiB back in the kernel %.0f ms after their release (local.decay 1000 ms, cache.decay 50 ms)\n",
              milliseconds_since(released));
  await("no lease is left", [&] { return admin.stats().leased().count() == 0; });
}

TEST(GivingBack, UnderPressureAnIdleProgramsMemoryIsTheKernelsAtOnce) {
  MemoryCgroup cgroup;
  cgroup.enter();
  const PanbodProcess daemon("panfrost",
                             "[cache]\ndecay = \"1h\"\n[local]\ndecay = \"1h\"\n[pressure]\nenabled = true\n");
  cgroup.leave();
  WirePeer admin(daemon.admin_socket_path());
  const Keeper program(daemon.socket_path());
  const uint64_t most = meminfo("Shmem");
  await("it keeps them", [&] { return admin.stats().local().bytes() >= kNearlyAll; });

  // The cgroup comes to its limit because somebody in it reads much.
  cgroup.limit(cgroup.current() + 8 * kMiB);
  cgroup.enter();
  std::ifstream disk("/dev/vda");
  std::vector<char> part(kMiB);
  std::optional<Milliseconds> told;
  while (!told) {
    disk.read(part.data(), static_cast<std::streamsize>(part.size()));
    ASSERT_TRUE(disk);
    told = logged_at(daemon.log(), "memory pressure: full");
  }
  await("the kernel has the memory back", [&] { return meminfo("Shmem") + kNearlyAll <= most; });
  const Milliseconds took = time_of_day() - *told;
  std::printf("pressure: 32 MiB back in the kernel %ld ms after panbod was told\n", took.count());
  cgroup.leave();
  await("no lease is left", [&] { return admin.stats().leased().count() == 0; });
  EXPECT_EQ(cgroup.event("oom_kill"), 0u);
}

}  // namespace
}  // namespace panbo::test
