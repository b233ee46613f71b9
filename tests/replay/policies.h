// The policies by name.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/replay/panbo_policy.h"
#include "tests/replay/report.h"

namespace panbo::replay {

inline constexpr std::array<std::string_view, 3> kPolicies = {"panbo", "mesa-panfrost", "mesa-freedreno"};
/// No policy but a bound, KeepAll; only on request.
inline constexpr std::string_view kBound = "keep-all";

/// `name` is one of kPolicies, or kBound.
[[nodiscard]] std::unique_ptr<Policy> make_policy(std::string_view name, const Board& board);

/// Plays a trace to each of the policies; `spans` as for play().
[[nodiscard]] TraceResult play_to(const std::vector<std::string>& policies, const Trace& trace, const Board& board,
                                  size_t spans);

}  // namespace panbo::replay
