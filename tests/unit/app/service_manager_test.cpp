#include "daemon/app/service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "proto/unique_fd.h"
#include "tests/support/event_loop.h"

namespace panbo::test {
namespace {

using Messages = std::vector<std::string>;

/// systemd's end of NOTIFY_SOCKET.
class ServiceManagerTest : public testing::Test {
 protected:
  void SetUp() override {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) < 0) {
      throw std::runtime_error("cannot bind");
    }
    ::setenv("NOTIFY_SOCKET", path_.c_str(), 1);
  }
  void TearDown() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
    ::unlink(path_.c_str());
  }
  static void set_watchdog(int usec, pid_t pid) {
    ::setenv("WATCHDOG_USEC", std::to_string(usec).c_str(), 1);
    ::setenv("WATCHDOG_PID", std::to_string(pid).c_str(), 1);
  }
  const Messages& received() {
    std::array<char, 256> buffer;
    for (;;) {
      const ssize_t n = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (n < 0) return messages_;
      messages_.emplace_back(buffer.data(), static_cast<size_t>(n));
    }
  }

  boost::asio::io_context io_{1};
  const std::string path_ = testing::TempDir() + "panbo-notify-" + std::to_string(::getpid());
  const UniqueFd socket_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  Messages messages_;
};

TEST_F(ServiceManagerTest, IsToldReadyAndStopping) {
  ServiceManager manager(io_);
  EXPECT_EQ(received(), Messages{});
  manager.ready("Serving sim");
  EXPECT_EQ(received(), Messages{"READY=1\nSTATUS=Serving sim"});
  manager.stopping();
  EXPECT_EQ(received().back(), "STOPPING=1");
}

TEST_F(ServiceManagerTest, TheWatchdogIsPingedFromTheEventLoop) {
  set_watchdog(20'000, ::getpid());
  ServiceManager manager(io_);
  EXPECT_EQ(received(), Messages{"WATCHDOG=1"});
  ASSERT_TRUE(run_until(io_, [this] { return received().size() >= 4; }));
  for (const std::string& message : messages_) EXPECT_EQ(message, "WATCHDOG=1");
}

TEST_F(ServiceManagerTest, WithoutAWatchdogThereIsNothingToWakeUpFor) {
  ServiceManager manager(io_);
  EXPECT_EQ(io_.run(), 0u) << "no timer is armed";
  EXPECT_EQ(received(), Messages{});
}

TEST_F(ServiceManagerTest, AnotherProcessesWatchdogIsNotOurs) {
  set_watchdog(20'000, ::getppid());
  ServiceManager manager(io_);
  EXPECT_EQ(io_.run(), 0u);
  EXPECT_EQ(received(), Messages{});
}

TEST_F(ServiceManagerTest, NobodyNeedsToListen) {
  ::unsetenv("NOTIFY_SOCKET");
  ServiceManager manager(io_);
  manager.ready("Serving sim");
  manager.stopping();
  EXPECT_EQ(received(), Messages{});
}

}  // namespace
}  // namespace panbo::test
