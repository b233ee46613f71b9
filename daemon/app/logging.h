// Where the log goes.
#pragma once

#include <string>

namespace panbo {

/// To the journal if systemd has connected us to it, else to stderr. `level`: a level of spdlog by name.
void start_logging(const std::string& level);

}  // namespace panbo
