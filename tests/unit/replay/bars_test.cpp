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
