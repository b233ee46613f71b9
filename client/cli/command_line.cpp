// Parsing and doing are apart: only when the whole command line makes sense is the daemon asked for anything.

#include "client/cli/command_line.h"

#include "client/cli/commands.h"

namespace panbo::cli {

int run_panboctl(int argc, const char* const* argv, std::ostream& out, std::ostream& err) {
  CLI::App app("panboctl: look at panbod's GPU memory cache, and control it", "panboctl");
  app.set_version_flag("--version", "panboctl " PANBO_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  std::string admin_socket = "/run/panbo/admin.sock";
  app.add_option("--admin-socket", admin_socket, "Where panbod listens for administrators")
      ->envname("PANBO_ADMIN_SOCKET")
      ->type_name("PATH")
      ->capture_default_str();

  Action action;
  add_stats_command(app, action);
  add_clients_command(app, action);
  add_labels_command(app, action);
  add_evict_command(app, action);
  add_config_command(app, action);
  add_version_command(app, action);
  add_sim_commands(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, out, err) == 0 ? 0 : 2;
  }

  try {
    action(admin_socket, out);
    if (!out.flush()) throw CommandError("cannot write the output");
    return 0;
  } catch (const CommandError& error) {
    err << "panboctl: " << error.what() << '\n';
    return 1;
  }
}

}  // namespace panbo::cli
