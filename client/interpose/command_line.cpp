// panbo-run only sets the stage: it looks whether the program can be served at all, sets its environment, and becomes
// it. So the program has the process id, the terminal, the signals and the exit status that it has without.

#include "client/interpose/command_line.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "client/interpose/environment.h"
#include "client/interpose/program_check.h"
#include "client/interpose/report.h"

namespace panbo::interpose {
namespace {

constexpr const char* kFooter =
    "Options end with the program. Every process that it starts is served, too. What cannot be served is\n"
    "refused: static programs, and those that get more rights than their user has (set-user-ID).";

class Help final : public CLI::Formatter {
  std::string make_usage(const CLI::App*, std::string) const override {
    return "Usage: panbo-run [OPTIONS] PROGRAM [ARGUMENTS...]\n";
  }
};

// Beside this program, wherever both are installed.
std::string library_path() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto library = (self.parent_path() / PANBO_RUN_LIBRARY).lexically_normal();
  if (error || ::access(library.c_str(), R_OK) != 0) {
    throw Refusal{126, library.string() + ": the library that is to be preloaded is not there"};
  }
  return library;
}

void become(const std::string& path, const std::vector<std::string>& words) {
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execvp(path.c_str(), arguments.data());
  throw Refusal{126, path + ": " + std::strerror(errno)};
}

}  // namespace

int run_program(int argc, const char* const* argv, std::ostream& out, std::ostream& err) {
  CLI::App app("panbo-run: run a program whose GPU memory comes from panbod", "panbo-run");
  app.formatter(std::make_shared<Help>());
  app.footer(kFooter);
  app.set_version_flag("--version", "panbo-run " PANBO_VERSION);
  app.prefix_command();
  std::string socket;
  bool stats = false;
  app.add_option("--socket", socket, "Where panbod listens (default: $PANBO_SOCKET, else /run/panbo/panbo.sock)")
      ->type_name("PATH");
  app.add_flag("--stats", stats, "Print on stderr, when a process ends, where its BOs came from");
  std::vector<std::string> words;
  try {
    app.parse(argc, argv);
    words = app.remaining();
    // What is not one of the options is the program, also if it looks like one.
    if (!words.empty() && words.front() == "--") {
      words.erase(words.begin());
    } else if (!words.empty() && words.front().starts_with('-')) {
      throw CLI::ExtrasError({words.front()});
    }
    if (words.empty()) throw CLI::RequiredError("PROGRAM");
  } catch (const CLI::ParseError& error) {
    return app.exit(error, out, err) == 0 ? 0 : 2;
  }

  try {
    const std::string program = find_program(words.front());
    check_program(program);
    const std::string library = library_path();
    set_environment("LD_PRELOAD", add_word(std::getenv("LD_PRELOAD"), library, ':'));
    set_environment("PAN_MESA_DEBUG", add_word(std::getenv("PAN_MESA_DEBUG"), "nocache", ','));
    if (!socket.empty()) set_environment("PANBO_SOCKET", socket);
    if (stats) set_environment(kStatsVariable, "1");
    become(program, words);
  } catch (const Refusal& refusal) {
    err << "panbo-run: " << refusal.reason << '\n';
    return refusal.status;
  }
  return 0;
}

}  // namespace panbo::interpose
