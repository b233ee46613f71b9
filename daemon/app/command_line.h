// panbod's command line.
#pragma once

#include <variant>

#include "daemon/app/settings.h"

namespace panbo {

/// The daemon is not to run: help was asked for, or the command line is wrong. Everything was said already.
struct ExitNow {
  int status;
};

/// The settings that the command line and the configuration file that it names give. Throws SettingsError.
[[nodiscard]] std::variant<Settings, ExitNow> parse_command_line(int argc, const char* const* argv);

}  // namespace panbo
