// Where the log goes.
#pragma once

#include <string>

namespace panbo {

/// To the journal if systemd has connected us to it, else to stderr.
void start_logging();

/// Whether systemd has connected stderr to the journal.
[[nodiscard]] bool stderr_is_the_journal();

/// `level` is one of kLogLevels.
void set_log_level(const std::string& level);

}  // namespace panbo
