// The settings and limits in force, as an administrator is shown them.
#pragma once

#include <cstdint>
#include <vector>

#include "daemon/app/settings.h"
#include "daemon/transport/encode.h"

namespace panbo {

/// Every key of the configuration file once, in the order of docs/configuration.md, with the value in force and where
/// it comes from. `ram`: bytes that resolve_limits() was told; UINT64_MAX if nobody can tell.
[[nodiscard]] std::vector<SettingRow> describe_settings(const Settings& settings, const Limits& limits, uint64_t ram);

}  // namespace panbo
