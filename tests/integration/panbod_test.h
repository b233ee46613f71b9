// What every integration test starts with: a daemon, somebody who looks at its figures, and a client that is to be
// served whatever the test does.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>

#include "tests/support/await.h"
#include "tests/support/panbod_process.h"
#include "tests/support/wire_peer.h"

namespace panbo {

constexpr uint64_t kMiB = uint64_t{1} << 20;

class PanbodTest : public testing::Test {
 protected:
  /// As for PanbodProcess.
  explicit PanbodTest(const std::string& settings = "", std::function<void(const std::string&)> prepare = {})
      : daemon_("sim", settings, -1, std::move(prepare)) {
    bystander_.hello("bystander");
    // Count when all is quiet: the bystander's BO is in the cache, and whatever it took to lend it is closed. Its fd
    // and another one are what a test may leave open at its end, that is one client with its bell.
    expect_bystander_served();
    await("its BO is ready", [this] { return admin_.stats().ready().count() == 1; });
    quiet_fds_ = daemon_.open_fds() + 1;
  }

  void TearDown() override {
    if (HasFailure()) std::printf("panbod's log:\n%s", daemon_.log().c_str());
  }

  [[nodiscard]] WirePeer connect() const { return WirePeer(daemon_.socket_path()); }

  [[nodiscard]] WirePeer connect_and_greet(const std::string& name = "test") const {
    WirePeer peer = connect();
    peer.hello(name);
    return peer;
  }

  /// The client that was there first gets a BO and gives it back, and nobody has any left then.
  void expect_bystander_served() {
    const FromDaemon answer = bystander_.alloc(4096);
    ASSERT_TRUE(answer.message.has_granted()) << answer.message.failure().message();
    ASSERT_EQ(answer.fds.size(), 1u);
    bystander_.release({answer.message.granted().grants(0).lease_id()});
  }

  /// As if nothing had happened: no leases, no fds more than at the start.
  void expect_nothing_leaked() {
    await("no leases are left", [this] { return admin_.stats().leased().count() == 0; });
    await("nothing drains", [this] {
      const auto stats = admin_.stats();
      return stats.draining().count() == 0 && stats.held().count() == 0;
    });
    await("the fds are back", [this] {
      // Again and again: what was still being made for somebody who has left becomes ready only now.
      admin_.evict_all();
      return daemon_.open_fds() <= quiet_fds_;
    });
  }

  /// How often the log has `text`.
  [[nodiscard]] size_t logged(const std::string& text) const {
    const std::string log = daemon_.log();
    size_t count = 0;
    for (size_t at = log.find(text); at != std::string::npos; at = log.find(text, at + 1)) ++count;
    return count;
  }

  PanbodProcess daemon_;
  WirePeer admin_{daemon_.admin_socket_path()};
  WirePeer bystander_{daemon_.socket_path()};
  size_t quiet_fds_ = 0;
};

}  // namespace panbo
