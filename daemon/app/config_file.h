// The configuration file, in TOML.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/app/settings.h"

namespace panbo {

/// Every key that the file may have, such as "cache.max".
[[nodiscard]] std::vector<std::string> config_keys();

/// Reads the file over what `settings` says already. Throws SettingsError, with the line: it cannot be read or parsed,
/// a key is unknown, a value is of the wrong kind or out of range. Also for what is no regular file, has more than
/// 64 KiB, or more dots than any tree of keys needs.
void read_config_file(const std::string& path, Settings& settings);

/// The same for a text; `name` stands for the file's.
void read_config(std::string_view text, const std::string& name, Settings& settings);

}  // namespace panbo
