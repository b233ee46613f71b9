// The daemon as a board has it, under systemd with the shipped units.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include "tests/support/await.h"
#include "tests/support/client.h"
#include "tests/support/wire_peer.h"

namespace panbo::test {

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
