#include "client/cli/commands.h"
#include "client/cli/report.h"

namespace panbo::cli {

void add_clients_command(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("clients", "Who is connected, and how much each has");
  const auto* json = command->add_flag("--json")->description("For programs: JSON, sizes in bytes");
  command->callback([=, &action] {
    action = [as_json = json->count() > 0](const std::string& admin_socket, std::ostream& out) {
      const auto clients = AdminConnection(admin_socket).clients();
      out << (as_json ? json_text({{"clients", clients_json(clients)}}) : clients_text(clients));
    };
  });
}

}  // namespace panbo::cli
