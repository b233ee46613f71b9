// A Mesa program whose daemon dies under it.

#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "tests/board/mesa/mesa_rig.h"

namespace panbo::test {
namespace {

constexpr int kFrames = 100;
constexpr int kFirstPause = 4;

// Pauses after every frame from the first pause on.
std::vector<std::string> scene_with_pauses() {
  std::vector<std::string> words = {"churn", std::to_string(kFrames)};
  for (int frame = kFirstPause; frame < kFrames; ++frame) words.push_back(std::to_string(frame));
  return words;
}

class MesaWithoutPanbod : public PanbodOnPanfrost {
 protected:
  static void systemctl(const std::string& words) {
    ASSERT_EQ(std::system(("systemctl --quiet " + words).c_str()), 0) << words;
  }

  /// A new connection to a new daemon.
  static wire::Stats stats() { return WirePeer("/run/panbo/admin.sock").stats(); }

  static void draw_frame(Program& program) {
    program.write_line();
    ASSERT_EQ(program.read_line(), "paused") << program.wait().err;
  }

  /// The new daemon, which was not asked for anything before. How long the library keeps away from a daemon that is
  /// gone is its own choice.
  static void draw_until_daemon_is_asked(Program& program) {
    await_daemon();
    await("the program asks the new daemon", [&] {
      draw_frame(program);
      return HasFatalFailure() || stats().requests() > 0;
    });
  }

  static Origins end(Program& program) {
    const Ending ending = program.wait();
    EXPECT_EQ(ending.status, 0) << ending.err;
    EXPECT_EQ(ending.out.substr(ending.out.rfind("churn")), plain_output());
    std::fputs(ending.err.c_str(), stdout);
    const Origins origins = Origins::in(ending.err);
    EXPECT_EQ(origins.failed + origins.passed_on, 0);
    return origins;
  }

  /// What the scene says with Mesa's own cache.
  static std::string plain_output() {
    return start_scene(Cache::kPrivate, Jobs::kQuick, {"churn", std::to_string(kFrames)}).wait().out;
  }

  static void await_daemon() {
    await("panbod is back",
          [] { return WirePeer::can_connect("/run/panbo/admin.sock") && stats().daemon_version() != ""; });
  }
};

TEST_F(MesaWithoutPanbod, GoesOnWhenTheDaemonIsKilledAndUsesTheNextOne) {
  Program program = start_scene(Cache::kPanbo, Jobs::kQuick, scene_with_pauses());
  ASSERT_EQ(program.read_line(), "paused");
  ASSERT_GT(stats().leased().count(), 0);
  ::kill(daemon_pid(), SIGKILL);
  draw_frame(program);
  draw_until_daemon_is_asked(program);
  end(program);
}

TEST_F(MesaWithoutPanbod, GoesOnWhileThereIsNoneAndUsesItWhenItIsBack) {
  Program program = start_scene(Cache::kPanbo, Jobs::kQuick, scene_with_pauses());
  ASSERT_EQ(program.read_line(), "paused");
  // With its sockets goes the daemon.
  systemctl("stop panbod.socket panbod-admin.socket");
  await("panbod is gone", [] { return !WirePeer::can_connect("/run/panbo/panbo.sock"); });
  draw_frame(program);
  systemctl("start panbod.socket panbod-admin.socket panbod.service");
  draw_until_daemon_is_asked(program);
  const Origins origins = end(program);
  EXPECT_GT(origins.direct, 0);
}

TEST_F(MesaWithoutPanbod, StartsWithoutADaemon) {
  systemctl("stop panbod.socket panbod-admin.socket panbod.service");
  const Ending ending = start_scene(Cache::kPanbo, Jobs::kQuick, {"churn", "4"}).wait();
  systemctl("start panbod.socket panbod-admin.socket panbod.service");
  await_daemon();
  EXPECT_EQ(ending.status, 0) << ending.err;
  const Origins origins = Origins::in(ending.err);
  EXPECT_EQ(origins.direct, origins.total()) << ending.err;
}

}  // namespace
}  // namespace panbo::test
