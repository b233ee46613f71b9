// The policies by name.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "tests/replay/panbo_policy.h"

namespace panbo::replay {

inline constexpr std::array<std::string_view, 3> kPolicies = {"panbo", "mesa-panfrost", "mesa-freedreno"};

/// `name` is one of kPolicies.
[[nodiscard]] std::unique_ptr<Policy> make_policy(std::string_view name, const Board& board);

}  // namespace panbo::replay
