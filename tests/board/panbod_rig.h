// The daemon as a board has it, under systemd with the shipped units, and programs that use it through libpanbo.
#pragma once

#include <gtest/gtest.h>
#include <panbo.h>

#include <functional>
#include <memory>
#include <string>

#include "tests/support/wire_peer.h"

namespace panbo::test {

/// A connection of this process, through libpanbo.
class Client {
 public:
  /// `socket_path` empty: the usual one. Throws std::runtime_error.
  explicit Client(const std::string& name, const std::string& socket_path = "");

  /// Returns what panbo_bo_alloc() does.
  int try_alloc(uint64_t size, panbo_bo** out, uint32_t flags = 0);
  /// Expects it to succeed.
  panbo_bo* alloc(uint64_t size, uint32_t flags = 0);
  void release(panbo_bo* bo) { EXPECT_EQ(panbo_bo_release(bo, 0), 0); }

 private:
  struct Close {
    void operator()(panbo_client* client) const { panbo_client_close(client); }
  };
  std::unique_ptr<panbo_client, Close> client_;
};

/// Names the BO for all processes.
uint64_t inode_of(const panbo_bo* bo);

/// Waits until `happened`.
void await(const std::string& what, const std::function<bool()>& happened);

/// Starts with a daemon that has no BOs in any state.
class PanbodOnPanfrost : public testing::Test {
 protected:
  void SetUp() override;

  [[nodiscard]] pid_t daemon_pid() const;
  /// Waits until as many BOs are in the state.
  void await_ready(uint64_t count);
  void await_held(uint64_t count);

  WirePeer admin_{"/run/panbo/admin.sock"};
};

}  // namespace panbo::test
