// No kernel can be asked to be short of memory, or to take PSI away; other files stand in, which fail in the same way.
// tests/board has the real ones.

#include "daemon/app/pressure_watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/support/event_loop.h"
#include "tests/support/fds.h"
#include "tests/support/log_capture.h"

namespace panbo::test {
namespace {

class PressureWatchTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(dir_);
    std::ofstream(dir_ / "memory.events") << "low 0\nhigh 0\nmax 0\n";
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  void watch(const PressurePaths& paths) {
    watch_.emplace(io_, paths, [this](Pressure) { ++events_; });
    run_what_is_ready(io_);
  }
  std::vector<std::string> lines() const { return log_.lines(); }

  const std::filesystem::path dir_ = testing::TempDir() + "panbo-pressure-watch-" + std::to_string(::getpid());
  const LogCapture log_;
  boost::asio::io_context io_{1};
  int events_ = 0;
  std::optional<PressureWatch> watch_;
};

/// A terminal, for whom hanging up is what a removed cgroup is for a PSI file: POLLERR, and it stays.
class Terminal {
 public:
  Terminal() : master_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    if (::grantpt(master_.get()) != 0 || ::unlockpt(master_.get()) != 0) throw std::runtime_error("no terminal");
  }
  [[nodiscard]] std::string path() const { return ::ptsname(master_.get()); }
  void hang_up() { master_.reset(); }

 private:
  UniqueFd master_;
};

TEST_F(PressureWatchTest, fault_28_a_kernel_without_psi_costs_one_warning) {
  watch({.psi = dir_ / "no-such-file", .cgroup = dir_});
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_EQ(lines()[0], "warning: " + (dir_ / "no-such-file").string() +
                            " tells nothing about memory pressure: No such file or directory");
}

TEST_F(PressureWatchTest, fault_28_a_kernel_that_forbids_triggers_costs_one_warning) {
  // One that may be opened for writing, and not written to.
  const UniqueFd sealed(::memfd_create("psi", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::fcntl(sealed.get(), F_ADD_SEALS, F_SEAL_WRITE), 0);
  watch({.psi = "/proc/self/fd/" + std::to_string(sealed.get()), .cgroup = dir_});
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_TRUE(lines()[0].ends_with("tells nothing about memory pressure: Operation not permitted")) << lines()[0];
}

TEST_F(PressureWatchTest, fault_28_a_kernel_that_has_the_file_but_psi_off_costs_one_warning) {
  // It lets the file be opened, and refuses the trigger.
  watch({.psi = "/dev/full", .cgroup = dir_});
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_TRUE(lines()[0].starts_with("warning: /dev/full tells nothing about memory pressure: ")) << lines()[0];
}

TEST_F(PressureWatchTest, fault_28_a_cgroup_without_a_memory_controller_costs_one_warning) {
  const Terminal psi;
  std::filesystem::remove(dir_ / "memory.events");
  watch({.psi = psi.path(), .cgroup = dir_});
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_EQ(lines()[0], "warning: " + (dir_ / "memory.events").string() +
                            " tells nothing about memory pressure: No such file or directory");
}

TEST_F(PressureWatchTest, WithoutACgroupNothingIsMissing) {
  const Terminal psi;
  watch({.psi = psi.path()});
  EXPECT_TRUE(lines().empty()) << lines()[0];
}

TEST_F(PressureWatchTest, fault_28_a_file_that_goes_away_costs_one_warning_and_is_watched_no_more) {
  Terminal psi;
  const int before = open_fds();
  watch({.psi = psi.path(), .cgroup = dir_});
  std::vector<int> triggers;
  for (int fd = 0; fd < before + 16; ++fd) {
    if (is_in_epoll_set(fd) && ::isatty(fd) == 1) triggers.push_back(fd);
  }
  ASSERT_EQ(triggers.size(), 2u) << "some and full";

  psi.hang_up();
  ASSERT_TRUE(run_until(io_, [this] { return !lines().empty(); }));
  run_what_is_ready(io_);
  ASSERT_EQ(lines().size(), 1u) << "both triggers have one file";
  EXPECT_TRUE(lines()[0].ends_with("tells no more about memory pressure: No such device")) << lines()[0];
  EXPECT_EQ(events_, 0);
  for (const int fd : triggers) EXPECT_FALSE(is_in_epoll_set(fd));
}

}  // namespace
}  // namespace panbo::test
