#include "daemon/app/shortage_log.h"

#include <gtest/gtest.h>

#include "tests/support/log_capture.h"

namespace panbo::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Lines = std::vector<std::string>;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr Time kStart{std::chrono::hours(1)};

ClientRow client(uint64_t id, const std::string& name, uint64_t leased_bytes) {
  return {.id = ClientId{id}, .name = name, .peer = {.uid = 1000, .pid = 42}, .leased = {1, leased_bytes}};
}

Shortage shortage() {
  Shortage shortage;
  shortage.client = client(3, "weston", 5 * kMiB);
  shortage.asked_bytes = 256 * kMiB;
  shortage.available_bytes = 100 * kMiB + kMiB / 2;
  shortage.reason = "no memory";
  shortage.stats.leased = {2, 10 * kMiB};
  shortage.stats.draining = {1, 2 * kMiB};
  shortage.stats.held = {1, kMiB};
  shortage.stats.ready = {0, 0};
  return shortage;
}

TEST(ShortageLog, ARecordSaysWhoAskedForWhatAndWhatThereIs) {
  EXPECT_EQ(describe(shortage()),
            "client 3 'weston' (uid 1000, pid 42) asked for 256.0 MiB: no memory; leased 10.0 MiB, draining 2.0 MiB, "
            "held 1.0 MiB, ready 0.0 MiB, available 100.5 MiB");
}

TEST(ShortageLog, ARecordSaysWhoHoldsMost) {
  Shortage what = shortage();
  what.available_bytes = UINT64_MAX;
  what.largest_holders = {client(7, "game", 8 * kMiB), client(3, "weston", 2 * kMiB)};
  const std::string text = describe(what);
  EXPECT_TRUE(
      text.ends_with("ready 0.0 MiB; most is held by client 7 'game' (uid 1000, pid 42): 8.0 MiB, "
                     "client 3 'weston' (uid 1000, pid 42): 2.0 MiB"))
      << text;
  EXPECT_EQ(text.find("available"), std::string::npos) << "nobody can tell";
}

TEST(ShortageLog, LogsOneRecordASecondAndCountsTheOthers) {
  const LogCapture log;
  ClientLog client_log;
  ShortageLog shortages;
  const std::string record = "warning: " + describe(shortage());
  const auto note = [&](Time now) {
    if (shortages.wants(shortage().client.peer.uid, now)) shortages.note(shortage(), now, client_log);
  };
  note(kStart);
  EXPECT_EQ(log.lines(), Lines{record});
  for (int i = 0; i < 10; ++i) note(kStart + i * milliseconds(100));
  EXPECT_EQ(log.lines(), Lines{record});
  note(kStart + seconds(1));
  EXPECT_EQ(log.lines(), (Lines{record, "warning: 10 more requests of uid 1000 failed for want of memory", record}));
  note(kStart + seconds(3));
  EXPECT_EQ(log.lines().size(), 4u) << "none was left out";
}

TEST(ShortageLog, AUserHidesNoOtherUsersShortage) {
  const LogCapture log;
  ClientLog client_log;
  ShortageLog shortages;
  Shortage other = shortage();
  other.client.peer.uid = 1001;
  EXPECT_TRUE(shortages.wants(1000, kStart));
  shortages.note(shortage(), kStart, client_log);
  EXPECT_FALSE(shortages.wants(1000, kStart + milliseconds(100)));
  EXPECT_TRUE(shortages.wants(1001, kStart + milliseconds(100)));
  shortages.note(other, kStart + milliseconds(100), client_log);
  EXPECT_EQ(log.count("(uid 1001, pid 42) asked for"), 1u);
}

TEST(ShortageLog, AUserThatIsRefusedForeverHasSoManyLines) {
  const LogCapture log;
  ClientLog client_log;
  ShortageLog shortages;
  const auto in_a_window = ClientLog::kWindow / seconds(1);
  for (int i = 0; i < in_a_window; ++i) shortages.note(shortage(), kStart + i * seconds(1), client_log);
  EXPECT_EQ(log.lines().size(), ClientLog::kLines);
}

}  // namespace
}  // namespace panbo::test
