#include "client/cli/commands.h"
#include "client/cli/report.h"
#include "client/cli/size_option.h"

namespace panbo::cli {

void add_evict_command(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("evict", "Destroy ready BOs, then the stock, then what clients keep unused");
  auto request = std::make_shared<wire::Evict>();
  // Exactly one of them says what goes.
  command->require_option(1);
  command->add_flag_callback(
      "--all", [=] { request->set_all(true); }, "Everything that nobody uses");
  as_size(command->add_option_function<uint64_t>(
      "--bytes", [=](uint64_t bytes) { request->set_bytes(bytes); },
      "At least this much, if there is as much; suffixes such as 64MiB are understood"));
  command
      ->add_option_function<uint32_t>(
          "--uid", [=](uint32_t uid) { request->set_uid(uid); }, "What this user used last; the stock stays")
      ->type_name("UID");
  command->callback([=, &action] {
    action = [=](const std::string& admin_socket, std::ostream& out) {
      wire::Envelope envelope;
      *envelope.mutable_evict() = *request;
      const auto answer = AdminConnection(admin_socket).ask(std::move(envelope), wire::Envelope::kEvicted);
      out << "Evicted " << amount_text(answer.evicted().evicted());
      const wire::Amount& asked_back = answer.evicted().asked_back();
      if (asked_back.count() > 0) out << "; asked back from clients: " << amount_text(asked_back);
      out << ".\n";
    };
  });
}

}  // namespace panbo::cli
