// Synthetic traces: the same for a seed on every machine. docs/traces.md tells their stories.
#pragma once

#include <array>
#include <string_view>

#include "tests/replay/trace.h"

namespace panbo::replay {

/// A desktop of 12 clients of one user, who turns from one to the next, in bursts with pauses.
[[nodiscard]] Trace generate_desktop(uint64_t seed);
/// A public display: slides and video clips, visitors who touch it, and the night.
[[nodiscard]] Trace generate_kiosk(uint64_t seed);
/// A browser with a process for each tab: tabs open, are scrolled, go to the background, and close.
[[nodiscard]] Trace generate_browser(uint64_t seed);

struct SceneByName {
  std::string_view name;
  Trace (*generate)(uint64_t seed);
};
inline constexpr std::array<SceneByName, 3> kScenes = {
    {{"desktop", generate_desktop}, {"kiosk", generate_kiosk}, {"browser", generate_browser}}};

}  // namespace panbo::replay
