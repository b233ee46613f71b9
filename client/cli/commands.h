// panboctl's subcommands. Each adds itself to the command line; if it is chosen, parsing leaves what is to be done in
// `action`.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <ostream>
#include <string>

#include "client/cli/admin_connection.h"

namespace panbo::cli {

/// What a subcommand does with the daemon. Throws CommandError.
using Action = std::function<void(const std::string& admin_socket, std::ostream& out)>;

void add_stats_command(CLI::App& app, Action& action);
void add_clients_command(CLI::App& app, Action& action);
void add_labels_command(CLI::App& app, Action& action);
void add_evict_command(CLI::App& app, Action& action);
void add_config_command(CLI::App& app, Action& action);
void add_version_command(CLI::App& app, Action& action);
/// For developers and tests: what the simulated device does is not shown in the list of commands.
void add_sim_commands(CLI::App& app, Action& action);

}  // namespace panbo::cli
