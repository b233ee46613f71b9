// Scripted worlds: each plays one case that the rules are about, large enough for the rule to be broken where the case
// is not taken care of. The rules are the same as for seeds.
#pragma once

#include <ostream>
#include <string_view>
#include <vector>

#include "tests/sim/rules.h"

namespace panbo::sim {

struct Scenario {
  std::string_view name;
  /// Throws Violation.
  void (*play)(const Rules& rules, std::ostream* trace);
};

// Each file's own.
[[nodiscard]] std::vector<Scenario> scenarios_about_work();
[[nodiscard]] std::vector<Scenario> scenarios_about_memory();
[[nodiscard]] std::vector<Scenario> scenarios_about_fairness();

[[nodiscard]] const std::vector<Scenario>& scenarios();
/// nullptr: there is none of that name.
[[nodiscard]] const Scenario* find_scenario(std::string_view name);

}  // namespace panbo::sim
