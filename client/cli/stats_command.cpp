#include <algorithm>

#include "client/cli/commands.h"
#include "client/cli/human.h"
#include "client/cli/report.h"

namespace panbo::cli {
namespace {

wire::Stats ask_for_stats(AdminConnection& daemon) {
  wire::Envelope request;
  request.mutable_get_stats();
  return daemon.ask(std::move(request), wire::Envelope::kStats).stats();
}

size_t connected(const std::vector<wire::Client>& clients) {
  return static_cast<size_t>(
      std::count_if(clients.begin(), clients.end(), [](const wire::Client& client) { return !client.gone(); }));
}

}  // namespace

void add_stats_command(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("stats", "What the cache holds and has done");
  const auto* json = command->add_flag("--json")->description("For programs: JSON, sizes in bytes");
  command->callback([=, &action] {
    action = [as_json = json->count() > 0](const std::string& admin_socket, std::ostream& out) {
      AdminConnection daemon(admin_socket);
      const wire::Stats stats = ask_for_stats(daemon);
      const auto clients = daemon.clients();
      out << (as_json ? json_text(stats_json(stats, clients)) : stats_text(stats, connected(clients)));
    };
  });
}

void add_version_command(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("version", "The versions of panboctl and of the daemon that runs");
  command->callback([&action] {
    action = [](const std::string& admin_socket, std::ostream& out) {
      out << "panboctl " PANBO_VERSION "\n" << std::flush;
      AdminConnection daemon(admin_socket);
      out << "panbod " << printable(ask_for_stats(daemon).daemon_version()) << '\n';
    };
  });
}

}  // namespace panbo::cli
