#include "tests/replay/player.h"

#include <gtest/gtest.h>

#include "tests/replay/bars.h"
#include "tests/replay/chart.h"
#include "tests/replay/policies.h"

namespace panbo::replay {
namespace {

using std::chrono::seconds;

constexpr uint64_t kKiB = 1024;

/// Two clients: the second takes what the first gave back.
Trace hand_over() {
  return {.name = "hand-over",
          .events = {{seconds(0), 1, Arrive{.uid = 1000}},
                     {seconds(0), 2, Arrive{.uid = 1000}},
                     {seconds(0), 1, Alloc{.bo = 1, .size = 60 * kKiB}},
                     {seconds(1), 1, Release{.bo = 1}},
                     {seconds(3), 2, Alloc{.bo = 2, .size = 60 * kKiB}},
                     {seconds(4), 2, Release{.bo = 2, .busy = true}},
                     {seconds(10), 2, Idle{2}}}};
}

Metrics metrics_of(const Trace& trace, std::string_view policy) {
  return play(trace, *make_policy(policy, {}), 100).metrics;
}

TEST(PlayerTest, MeasuresPanbo) {
  const Metrics m = metrics_of(hand_over(), "panbo");
  EXPECT_EQ(m.requests, 2u);
  EXPECT_EQ(m.hits, 1u);
  EXPECT_EQ(m.failed, 0u);
  EXPECT_DOUBLE_EQ(m.hit_rate(), 0.5);
  EXPECT_DOUBLE_EQ(m.waste(), 0);
  EXPECT_EQ(m.peak_cached, 60 * kKiB);
  // From 1 s to 3 s of 10 s.
  EXPECT_EQ(m.mean_cached, 12 * kKiB);
  EXPECT_EQ(m.cached_at_end, 60 * kKiB);
  EXPECT_EQ(m.cached_when_idle, 0u);
  ASSERT_TRUE(m.time_to_give_back);
  EXPECT_GT(*m.time_to_give_back, seconds(9));
  EXPECT_LE(*m.time_to_give_back, seconds(10));
}

TEST(PlayerTest, MeasuresAPrivateCache) {
  const Metrics m = metrics_of(hand_over(), "mesa-freedreno");
  EXPECT_EQ(m.hits, 0u);
  EXPECT_DOUBLE_EQ(m.waste(), 4.0 / 60);
  EXPECT_EQ(m.peak_cached, 128 * kKiB);
  // One from 1 s to 10 s; the other is busy until then.
  EXPECT_EQ(m.mean_cached, 64 * kKiB * 9 / 10);
  EXPECT_EQ(m.cached_when_idle, 128 * kKiB);
  EXPECT_EQ(m.time_to_give_back, std::nullopt);
}

TEST(PlayerTest, DomainsKeepUsersApart) {
  Trace trace = hand_over();
  std::get<Arrive>(trace.events[1].what).uid = 2000;
  EXPECT_EQ(metrics_of(trace, "panbo").hits, 0u);
}

TEST(PlayerTest, ARequestThatIsRefusedIsCountedAndItsReleasePassedOver) {
  Trace trace = hand_over();
  std::get<Alloc>(trace.events[4].what).size = uint64_t{100} << 30;
  const Metrics m = metrics_of(trace, "panbo");
  EXPECT_EQ(m.failed, 1u);
  EXPECT_EQ(m.asked_bytes, 60 * kKiB);
}

TEST(PlayerTest, WhatADepartedClientHadIsGivenBackToTheCache) {
  Trace trace = hand_over();
  trace.events.erase(trace.events.begin() + 3);
  trace.events.insert(trace.events.begin() + 3, {seconds(1), 1, Depart{}});
  EXPECT_EQ(metrics_of(trace, "panbo").hits, 1u);
  EXPECT_EQ(metrics_of(trace, "mesa-panfrost").hits, 0u);
}

TEST(PlayerTest, TheCurveHasTheMostOfEachSpan) {
  const Curve curve = play(hand_over(), *make_policy("mesa-panfrost", {}), 30).curve;
  // 10 s and the idle tail of 20 s: a second each.
  ASSERT_EQ(curve.most.size(), 30u);
  EXPECT_EQ(curve.most[0], 0u);
  EXPECT_EQ(curve.most[2], 60 * kKiB);
  EXPECT_EQ(curve.most[9], 60 * kKiB);
  EXPECT_EQ(curve.most[10], 120 * kKiB);
  EXPECT_EQ(curve.most[29], 120 * kKiB);
}

TEST(PlayerTest, AnEmptyTraceIsPlayed) {
  const Played played = play({}, *make_policy("panbo", {}), 10);
  EXPECT_EQ(played.metrics.requests, 0u);
  EXPECT_EQ(played.metrics.time_to_give_back, Duration{});
}

TraceResult result_of(const Metrics& panbo, const Metrics& other) {
  return {.trace = "t",
          .policies = {{"panbo", {.metrics = panbo, .curve = {seconds(1), {0}}}},
                       {"other", {.metrics = other, .curve = {seconds(1), {1}}}}}};
}

TEST(BarsTest, EachBarIsNamedWhenItIsMissed) {
  const Metrics other{.requests = 10, .hits = 5, .peak_cached = 100};
  EXPECT_TRUE(missed_bars(result_of({.requests = 10, .hits = 5, .peak_cached = 50}, other)).empty());
  EXPECT_EQ(missed_bars(result_of({.requests = 10, .hits = 4, .peak_cached = 50}, other)).size(), 1u);
  EXPECT_EQ(missed_bars(result_of({.requests = 10, .hits = 5, .peak_cached = 51}, other)).size(), 1u);
  EXPECT_EQ(missed_bars(result_of({.requests = 10, .hits = 5, .peak_cached = 50, .cached_when_idle = 1}, other)).size(),
            1u);
  EXPECT_EQ(missed_bars({.trace = "t"}).size(), 1u);
}

TEST(ReportTest, TheTableHasALineForEachPolicyAndTheChartACurve) {
  const std::vector<TraceResult> results = {play_to({"panbo", "mesa-panfrost"}, hand_over(), {}, 10)};
  const std::string table = table_of(results);
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 4);
  EXPECT_NE(table.find("never"), std::string::npos);
  EXPECT_TRUE(json_of(results)[0]["policies"][1]["time_to_give_back_s"].is_null());
  const std::string chart = chart_of(results);
  EXPECT_NE(chart.find("hand-over"), std::string::npos);
  size_t curves = 0;
  for (size_t at = chart.find("<polyline"); at != std::string::npos; at = chart.find("<polyline", at + 1)) ++curves;
  EXPECT_EQ(curves, 2u);
}

}  // namespace
}  // namespace panbo::replay
