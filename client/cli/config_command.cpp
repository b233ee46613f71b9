#include "client/cli/commands.h"
#include "client/cli/report.h"

namespace panbo::cli {

void add_config_command(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("config", "The settings and limits in force, and where each comes from");
  const auto* json = command->add_flag("--json")->description("For programs: JSON, sizes in bytes");
  command->callback([=, &action] {
    action = [as_json = json->count() > 0](const std::string& admin_socket, std::ostream& out) {
      const auto settings = AdminConnection(admin_socket).settings();
      out << (as_json ? json_text({{"settings", settings_json(settings)}}) : settings_text(settings));
    };
  });
}

}  // namespace panbo::cli
