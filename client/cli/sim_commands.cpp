// What a GPU, other programs and the kernel do to BOs when they please, the simulated device does on command.

#include <cstring>
#include <limits>
#include <map>

#include "client/cli/commands.h"
#include "client/cli/size_option.h"

namespace panbo::cli {
namespace {

constexpr uint64_t kNsPerMs = 1'000'000;

/// "ENOMEM" and 12, and so on.
std::map<std::string, int> errnos_by_name() {
  constexpr int kMaxErrno = 4095;
  std::map<std::string, int> errnos;
  for (int error = 1; error <= kMaxErrno; ++error) {
    if (const char* name = ::strerrorname_np(error)) errnos.emplace(name, error);
  }
  return errnos;
}

using Request = std::shared_ptr<wire::Simulate>;

CLI::App* add(CLI::App& sim, const char* name, const char* description, const Request& request, Action& action) {
  CLI::App* command = sim.add_subcommand(name, description);
  command->callback([=, &action] {
    action = [=](const std::string& admin_socket, std::ostream&) {
      wire::Envelope envelope;
      *envelope.mutable_simulate() = *request;
      AdminConnection(admin_socket).ask(std::move(envelope), wire::Envelope::kSimulated);
    };
  });
  return command;
}

void add_inode(CLI::App* command, const Request& request) {
  command
      ->add_option_function<uint64_t>(
          "--inode", [=](uint64_t inode) { request->mutable_job()->set_inode(inode); },
          "The BO: inode number of its dma-buf fd")
      ->type_name("NUMBER")
      ->required();
}

void add_job_commands(CLI::App& sim, Action& action) {
  const auto start = std::make_shared<wire::Simulate>();
  CLI::App* job = add(sim, "job", "Start a GPU job that uses a BO", start, action);
  add_inode(job, start);
  job->add_option_function<uint64_t>(
         "--duration", [=](uint64_t ms) { start->mutable_job()->set_duration_ns(ms * kNsPerMs); },
         "How long it takes; without it, until job-end")
      ->check(CLI::Range(uint64_t{1}, std::numeric_limits<int64_t>::max() / kNsPerMs))
      ->type_name("MS");

  const auto end = std::make_shared<wire::Simulate>();
  end->mutable_job()->set_end(true);
  add_inode(add(sim, "job-end", "End every job that uses a BO", end, action), end);
}

void add_fault_command(CLI::App& sim, Action& action) {
  const auto request = std::make_shared<wire::Simulate>();
  CLI::App* fault = add(sim, "fault", "Make the device's next calls of one kind fail", request, action);
  fault
      ->add_option_function<std::string>(
          "--call", [=](const std::string& call) { request->mutable_fault()->set_call(call); }, "Which calls")
      ->check(CLI::IsMember({"create", "export", "evictable", "unevictable", "watch"}))
      ->required();
  fault
      ->add_option_function<std::string>(
          "--error", [=](const std::string& name) { request->mutable_fault()->set_error(errnos_by_name().at(name)); },
          "What they fail with: an errno's name, such as ENOMEM")
      ->check(CLI::Validator(
          [](const std::string& name) {
            return errnos_by_name().contains(name) ? std::string() : name + " is no errno's name";
          },
          "ERRNO"))
      ->required();
  fault
      ->add_option_function<uint32_t>(
          "--times", [=](uint32_t times) { request->mutable_fault()->set_times(times); },
          "How many calls; 0 takes an earlier fault back")
      ->type_name("N")
      ->required();
}

}  // namespace

void add_sim_commands(CLI::App& app, Action& action) {
  CLI::App* sim = app.add_subcommand("sim", "Make the simulated device do what a real one does when it pleases");
  sim->require_subcommand(1);
  add_job_commands(*sim, action);
  add_fault_command(*sim, action);

  const auto purge = std::make_shared<wire::Simulate>();
  purge->set_purge(true);
  add(*sim, "purge", "Take the pages of every evictable BO, as the kernel's shrinker does", purge, action);

  const auto limit = std::make_shared<wire::Simulate>();
  CLI::App* memory_limit = add(*sim, "memory-limit", "Bound the memory that the device has", limit, action);
  as_size(memory_limit->add_option_function<uint64_t>(
              "bytes", [=](uint64_t bytes) { limit->set_memory_limit(bytes); },
              "In all; suffixes such as 64MiB are understood; 0 is no limit"))
      ->required();

  // In no group: not in the list of commands. `panboctl sim --help` tells about it. Last, since commands that are added
  // to it would be in none either.
  sim->group("");
}

}  // namespace panbo::cli
