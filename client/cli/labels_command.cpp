#include "client/cli/commands.h"
#include "client/cli/report.h"

namespace panbo::cli {

void add_labels_command(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("labels", "What clients use their BOs for, as they say: the largest first");
  const auto* json = command->add_flag("--json")->description("For programs: JSON, sizes in bytes");
  command->callback([=, &action] {
    action = [as_json = json->count() > 0](const std::string& admin_socket, std::ostream& out) {
      const auto labels = AdminConnection(admin_socket).labels();
      out << (as_json ? json_text({{"labels", labels_json(labels)}}) : labels_text(labels));
    };
  });
}

}  // namespace panbo::cli
