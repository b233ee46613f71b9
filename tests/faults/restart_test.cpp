// Daemons that crash again and again, that no restart can mend, and that stall.
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "tests/faults/faults_test.h"
#include "tests/support/client.h"
#include "tests/support/fds.h"

namespace panbo {
namespace {

/// What the shipped unit says for a key, all its lines together.
std::string unit_setting(const std::string& key) {
  std::ifstream unit(PANBO_UNIT);
  std::string values;
  for (std::string line; std::getline(unit, line);) {
    if (line.starts_with(key + "=")) values += line.substr(key.size() + 1) + " ";
  }
  return values;
}

/// Runs panbod until it ends by itself. Returns its exit status.
int exit_status_of_panbod(const std::string& arguments) {
  const std::string command = panbod_executable() + " " + arguments + " 2>/dev/null";
  return WEXITSTATUS(std::system(command.c_str()));
}

TEST(CrashLoop, fault_27_a_daemon_that_is_killed_again_and_again_serves_after_each_start) {
  PanbodProcess daemon;
  test::Client client("goes on", daemon.socket_path());
  for (int i = 0; i < 15; ++i) {
    panbo_bo* bo = nullptr;
    await("the client is served", [&] { return client.try_alloc(65536, &bo) == 0; });
    EXPECT_NE(daemon.stop(SIGKILL), 0);
    daemon.start();
    client.release(bo);
  }
  EXPECT_EQ(daemon.stop(), 0);
}

TEST(CrashLoop, fault_27_the_unit_starts_again_without_end_except_after_what_no_restart_can_mend) {
  EXPECT_EQ(unit_setting("Restart"), "on-failure ");
  EXPECT_EQ(unit_setting("StartLimitIntervalSec"), "0 ") << "no number of crashes is too large";
  std::istringstream prevented(unit_setting("RestartPreventExitStatus"));
  const std::set<int> never{std::istream_iterator<int>(prevented), {}};
  const PanbodProcess other("sim", "");
  const std::string socket = " --socket " + other.directory() + "/second.sock";
  const std::string config = other.directory() + "/wrong.toml";
  std::ofstream(config) << "[cache]\nmaximum = 5\n" << std::flush;
  EXPECT_EQ(never.count(exit_status_of_panbod("--device sim --config " + config + socket)), 1u) << "a wrong setting";
  EXPECT_EQ(never.count(exit_status_of_panbod("--device none" + socket)), 1u) << "a device that nobody knows";
  EXPECT_EQ(never.count(exit_status_of_panbod("--log-level loud")), 1u) << "a wrong command line";
  // What may be over a moment later.
  EXPECT_EQ(never.count(exit_status_of_panbod("--device sim --socket " + other.socket_path())), 0u)
      << "a second daemon";
  EXPECT_EQ(never.count(exit_status_of_panbod("--device panfrost:/dev/null" + socket)), 0u) << "a device that is gone";
}

/// systemd's end of a service: where it is told that all is well.
class NotifySocket {
 public:
  NotifySocket() : name_("panbo-faults-" + std::to_string(::getpid())) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    // Abstract: the first byte is zero.
    std::memcpy(address.sun_path + 1, name_.data(), name_.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name_.size());
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), size) < 0) throw std::runtime_error("bind");
  }

  [[nodiscard]] std::string address() const { return "@" + name_; }
  /// Waits for the next message.
  std::string next() {
    if (!test::becomes_readable(socket_.get())) throw std::runtime_error("the daemon says nothing");
    return take();
  }
  /// Takes what has come.
  void clear() {
    while (test::is_readable(socket_.get())) take();
  }
  /// Whether anything comes within that time.
  bool comes_within(std::chrono::milliseconds time) { return test::becomes_readable(socket_.get(), time); }

 private:
  std::string take() {
    std::array<char, 256> buffer;
    const ssize_t n = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    return {buffer.data(), static_cast<size_t>(std::max<ssize_t>(n, 0))};
  }

  const std::string name_;
  const UniqueFd socket_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
};

TEST(Watchdog, fault_27_is_pinged_by_the_event_loop_and_not_when_that_stalls) {
  constexpr auto kTimeout = std::chrono::milliseconds(300);
  NotifySocket systemd;
  PanbodProcess daemon("sim", "", -1, [&](const std::string&) {
    ::setenv("NOTIFY_SOCKET", systemd.address().c_str(), 1);
    ::setenv("WATCHDOG_USEC", std::to_string(std::chrono::microseconds(kTimeout).count()).c_str(), 1);
    ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  });
  for (int pings = 0; pings < 3;) pings += systemd.next() == "WATCHDOG=1" ? 1 : 0;

  // Only the event loop's thread is stopped; the process lives, and its other thread works.
  ASSERT_EQ(::ptrace(PTRACE_SEIZE, daemon.pid(), nullptr, nullptr), 0);
  ASSERT_EQ(::ptrace(PTRACE_INTERRUPT, daemon.pid(), nullptr, nullptr), 0);
  ASSERT_EQ(::waitpid(daemon.pid(), nullptr, 0), daemon.pid());
  systemd.clear();
  EXPECT_FALSE(systemd.comes_within(2 * kTimeout)) << "systemd would have ended it by then";
  ASSERT_EQ(::ptrace(PTRACE_DETACH, daemon.pid(), nullptr, nullptr), 0);
  EXPECT_EQ(systemd.next(), "WATCHDOG=1");
  EXPECT_EQ(daemon.stop(), 0);
  systemd.clear();
}

TEST(Watchdog, fault_27_the_unit_has_one) {
  EXPECT_NE(unit_setting("WatchdogSec"), "");
  EXPECT_EQ(unit_setting("Type"), "notify ");
}

}  // namespace
}  // namespace panbo
