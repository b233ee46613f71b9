// docs/replay.md has the figures behind this.

#include "tests/replay/bars.h"

#include <gtest/gtest.h>

#include "tests/replay/generate.h"
#include "tests/replay/policies.h"

namespace panbo::replay {
namespace {

TraceResult played(const Trace& trace) {
  return play_to({kPolicies.begin(), kPolicies.end()}, trace, {}, 1);
}

Trace recorded(const std::string& name) {
  return read_trace(std::string(PANBO_TRACES) + "/" + name + ".trace");
}

std::string lines(const std::vector<std::string>& sentences) {
  std::string text;
  for (const std::string& sentence : sentences) text += sentence + "\n";
  return text;
}

TEST(BarsTest, PanboReachesThemOnTheDesktop) {
  EXPECT_EQ(lines(missed_bars(played(generate_desktop(1)))), "");
}

TEST(BarsTest, PanboReachesThemInTheBrowser) {
  EXPECT_EQ(lines(missed_bars(played(generate_browser(1)))), "");
}

TEST(BarsTest, PanboReachesThemInTheRecordedTabs) {
  EXPECT_EQ(lines(missed_bars(played(recorded("tabs")))), "");
}

TEST(BarsTest, PanboReachesThemInTheRecordedWindows) {
  EXPECT_EQ(lines(missed_bars(played(recorded("windows")))), "");
}

// Where sizes change all the time freedreno hits more, because its classes are wider.
TEST(BarsTest, InTheRecordedResizingOnlyFreedrenosHitRateIsMissed) {
  const TraceResult result = played(recorded("resizing"));
  const Metrics& panbo = result.policies.at(0).played.metrics;
  EXPECT_EQ(panbo.cached_when_idle, 0u);
  for (size_t i = 1; i < result.policies.size(); ++i) {
    const Metrics& other = result.policies[i].played.metrics;
    const double allowed = result.policies[i].policy == "mesa-freedreno" ? 0.016 : 0;
    EXPECT_LE(2 * panbo.peak_cached, other.peak_cached) << result.policies[i].policy;
    EXPECT_GE(panbo.hit_rate(), other.hit_rate() - allowed) << result.policies[i].policy;
  }
}

// One program has nearly all there is, so there is nobody to share with, and its pauses are longer than what an idle
// cache may keep: docs/replay.md. This is what is reached, so that it does not get worse unseen.
TEST(BarsTest, InTheKioskPanboIsNearThemWithAThirdOfTheMeanBytes) {
  const TraceResult result = played(generate_kiosk(1));
  const Metrics& panbo = result.policies.at(0).played.metrics;
  for (size_t i = 1; i < result.policies.size(); ++i) {
    const Metrics& other = result.policies[i].played.metrics;
    EXPECT_GE(panbo.hit_rate(), other.hit_rate() - 0.006) << result.policies[i].policy;
    EXPECT_LE(static_cast<double>(panbo.peak_cached), 0.91 * static_cast<double>(other.peak_cached))
        << result.policies[i].policy;
    EXPECT_LE(3 * panbo.mean_cached, other.mean_cached) << result.policies[i].policy;
  }
}

TEST(BarsTest, InTheKioskNoCacheThatIsEmptyWhenAllIsIdleReachesPanfrostsHitRate) {
  const TraceResult result = play_to({std::string(kBound), "mesa-panfrost"}, generate_kiosk(1), {}, 1);
  EXPECT_LT(result.policies.at(0).played.metrics.hits, result.policies.at(1).played.metrics.hits);
}

TEST(BarsTest, WhereTheOthersHoldTheirMemoryForEverPanboGivesItBack) {
  for (const SceneByName& scene : kScenes) {
    const TraceResult result = played(scene.generate(1));
    for (const PolicyResult& policy : result.policies) {
      const bool is_panbo = policy.policy == "panbo";
      EXPECT_EQ(policy.played.metrics.cached_when_idle == 0, is_panbo) << scene.name << " " << policy.policy;
      EXPECT_EQ(policy.played.metrics.time_to_give_back.has_value(), is_panbo) << scene.name << " " << policy.policy;
      EXPECT_EQ(policy.played.metrics.failed, 0u) << scene.name << " " << policy.policy;
    }
  }
}

}  // namespace
}  // namespace panbo::replay
