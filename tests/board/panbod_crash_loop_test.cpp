// panbod.service when the daemon crashes again and again, and when it hangs.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "tests/board/panbod_rig.h"

namespace panbo::test {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr const char* kDropIn = "/run/systemd/system/panbod.service.d";

void systemctl(const std::string& arguments) {
  if (std::system(("systemctl " + arguments).c_str()) != 0) throw std::runtime_error("systemctl " + arguments);
}

class PanbodCrashLoop : public PanbodOnPanfrost {
 protected:
  /// Waits until systemd has started another one than this, which serves.
  void await_successor(pid_t former) {
    await("another daemon serves", [&] {
      try {
        if (daemon_pid() == former) return false;
        Client client("after a crash");
        client.release(client.alloc(kMiB / 4));
        return true;
      } catch (const std::runtime_error&) {
        return false;
      }
    });
  }
};

TEST_F(PanbodCrashLoop, fault_27_does_not_end_in_a_unit_that_has_failed_for_good) {
  // More often than systemd would bear without StartLimitIntervalSec=0, and the sockets with TriggerLimitBurst=.
  for (int i = 0; i < 30; ++i) {
    const pid_t pid = daemon_pid();
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
    await_successor(pid);
  }
  EXPECT_EQ(std::system("systemctl is-active --quiet panbod.service panbod.socket panbod-admin.socket"), 0);
}

TEST_F(PanbodCrashLoop, fault_27_a_daemon_that_hangs_is_replaced) {
  std::filesystem::create_directories(kDropIn);
  // A process that is stopped does not end by the watchdog's SIGABRT, so systemd goes on to SIGKILL.
  std::ofstream(std::string(kDropIn) + "/test.conf") << "[Service]\nWatchdogSec=1s\nTimeoutAbortSec=1s\n" << std::flush;
  systemctl("daemon-reload");
  systemctl("restart panbod.service");
  const pid_t pid = daemon_pid();
  ASSERT_EQ(::kill(pid, SIGSTOP), 0);
  await_successor(pid);
  std::filesystem::remove_all(kDropIn);
  systemctl("daemon-reload");
  systemctl("restart panbod.service");
}

}  // namespace
}  // namespace panbo::test
