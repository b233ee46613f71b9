// Kernels that tell nothing about memory pressure, or no more. tests/unit/app/pressure_watch_test.cpp and
// tests/board/without_psi_test.cpp have more of them, the last one with a real kernel.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/faults/failing_call.h"
#include "tests/faults/faults_test.h"

namespace panbo {
namespace {

constexpr const char* kPressure = "/proc/pressure";

void own_mounts() {
  if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) ::_exit(1);
}

class WithoutPressureTest : public FaultsTest {
 protected:
  WithoutPressureTest()
      : FaultsTest("", [](const std::string&) {
          if (::geteuid() != 0) return;
          own_mounts();
          if (std::filesystem::exists(kPressure) && ::mount("none", kPressure, "tmpfs", 0, nullptr) != 0) ::_exit(1);
        }) {}
};

TEST_F(WithoutPressureTest, fault_28_a_kernel_without_pressure_files_costs_one_line) {
  SKIP_UNLESS_ROOT();
  EXPECT_EQ(logged("/proc/pressure/memory tells nothing about memory pressure: No such file or directory"), 1u);
}

class RefusedTriggerTest : public FaultsTest, public testing::WithParamInterface<int> {
 protected:
  // No other write of the daemon's has as many bytes as a trigger.
  RefusedTriggerTest()
      : FaultsTest("", [](const std::string&) {
          constexpr uint32_t kBytes = sizeof("some 200000 2000000");
          fail_system_call({.number = SYS_write, .argument = 2, .value = kBytes}, GetParam());
        }) {}
};

TEST_P(RefusedTriggerTest, fault_28_a_kernel_that_refuses_the_trigger_costs_one_line) {
  if (!std::filesystem::exists(kPressure)) GTEST_SKIP() << "NOT TESTED: this kernel has no PSI";
  EXPECT_EQ(logged("/proc/pressure/memory tells nothing about memory pressure: "), 1u);
}

INSTANTIATE_TEST_SUITE_P(Errors, RefusedTriggerTest, testing::Values(EOPNOTSUPP, EPERM, EBUSY),
                         [](const auto& error) { return std::string(::strerrorname_np(error.param)); });

/// Where this machine has the hierarchy of cgroup 2; empty if nowhere.
std::string cgroup2() {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string device, path, type, rest; mounts >> device >> path >> type && std::getline(mounts, rest);) {
    if (type == "cgroup2") return path;
  }
  return {};
}

/// A daemon in a cgroup of its own, whose memory.events is the cgroup's cgroup.events, so that no memory controller is
/// needed to have the kernel say something, and take it away.
class RemovedCgroupTest : public FaultsTest {
 protected:
  RemovedCgroupTest() : FaultsTest("", [](const std::string&) { enter(); }) {}
  ~RemovedCgroupTest() override { ::rmdir(path().c_str()); }

  static std::string name() { return "panbo-faults-" + std::to_string(test_pid); }
  static std::string path() { return cgroup2() + "/" + name(); }
  static bool possible() { return ::geteuid() == 0 && !cgroup2().empty(); }
  static void move(pid_t pid, const std::string& cgroup) {
    std::ofstream(cgroup + "/cgroup.procs") << pid << std::flush;
  }

 private:
  /// Before it becomes panbod it has this from the test.
  inline static const pid_t test_pid = ::getpid();
  static void enter() {
    if (!possible()) return;
    const std::string cgroup = path();
    if (::mkdir(cgroup.c_str(), 0755) != 0 && errno != EEXIST) ::_exit(1);
    move(::getpid(), cgroup);
    own_mounts();
    const UniqueFd events(::open((cgroup + "/cgroup.events").c_str(), O_PATH | O_CLOEXEC));
    const std::string shown = "/sys/fs/cgroup/" + name();
    if (::mount("none", "/sys/fs/cgroup", "tmpfs", 0, nullptr) != 0 || ::mkdir(shown.c_str(), 0755) != 0) ::_exit(1);
    std::ofstream(shown + "/memory.events") << std::flush;
    const std::string source = "/proc/self/fd/" + std::to_string(events.get());
    if (::mount(source.c_str(), (shown + "/memory.events").c_str(), nullptr, MS_BIND, nullptr) != 0) ::_exit(1);
  }
};

/// Whether its main thread waits for something.
bool sleeps(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  return text.compare(text.rfind(')'), 3, ") S") == 0;
}

TEST_F(RemovedCgroupTest, fault_28_a_watched_cgroup_that_is_removed_costs_one_line_and_does_not_spin) {
  if (!possible()) GTEST_SKIP() << "NOT TESTED: needs root and cgroup 2";
  ASSERT_EQ(logged("memory.events tells nothing"), 0u) << "it is watched";
  // Both at once for the daemon: an event, and that there is nothing to read any more.
  ::kill(daemon_.pid(), SIGSTOP);
  move(daemon_.pid(), cgroup2());
  await("the cgroup is removed", [] { return ::rmdir(path().c_str()) == 0; });
  ::kill(daemon_.pid(), SIGCONT);
  await("the daemon notices", [this] { return logged("tells no more about memory pressure: No such device") == 1; });
  await("it sleeps", [this] { return sleeps(daemon_.pid()); });
  const uint64_t before = status_of(daemon_.pid(), "nonvoluntary_ctxt_switches");
  expect_bystander_served();
  await("it sleeps again", [this] { return sleeps(daemon_.pid()); });
  EXPECT_LE(status_of(daemon_.pid(), "nonvoluntary_ctxt_switches"), before + 20);
}

}  // namespace
}  // namespace panbo
