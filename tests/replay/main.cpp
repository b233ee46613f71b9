// panbo-replay: plays recorded traces to panbo's cache and to Mesa's private ones, and makes synthetic traces.

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>

#include "tests/replay/bars.h"
#include "tests/replay/chart.h"
#include "tests/replay/generate.h"
#include "tests/replay/mesa_log.h"
#include "tests/replay/policies.h"
#include "tests/replay/report.h"
#include "tests/replay/trace_output.h"

namespace panbo::replay {
namespace {

constexpr size_t kSpans = 480;

struct RunOptions {
  std::vector<std::string> traces;
  std::vector<std::string> policies{kPolicies.begin(), kPolicies.end()};
  Board board;
  bool json = false;
  std::string svg;
  bool check = false;
};

struct GenerateOptions {
  std::string scene;
  uint64_t seed = 1;
  std::string output;
};

int check(const std::vector<TraceResult>& results) {
  size_t missed = 0;
  for (const TraceResult& result : results) {
    for (const std::string& bar : missed_bars(result)) {
      std::cerr << "missed: " << bar << "\n";
      ++missed;
    }
  }
  return missed == 0 ? 0 : 1;
}

int run(const RunOptions& options) {
  std::vector<TraceResult> results;
  for (const std::string& path : options.traces) {
    results.push_back(play_to(options.policies, read_trace(path), options.board, kSpans));
  }
  if (options.json) {
    std::cout << json_of(results).dump(2) << "\n";
  } else {
    std::cout << table_of(results);
  }
  if (!options.svg.empty()) {
    std::ofstream svg(options.svg);
    svg << chart_of(results);
    if (!svg.flush()) throw std::runtime_error(options.svg + ": cannot be written");
  }
  return options.check ? check(results) : 0;
}

int generate(const GenerateOptions& options) {
  Trace trace;
  for (const auto& scene : kScenes) {
    if (scene.name == options.scene) trace = scene.generate(options.seed);
  }
  trace.recorder = "panbo-replay generate " + options.scene + " --seed " + std::to_string(options.seed);
  write_trace(trace, options.output);
  return 0;
}

int import(const std::string& path, const std::string& output) {
  std::ifstream log(path);
  if (!log) throw TraceError(path + ": cannot be read");
  Trace trace = read_mesa_log(log, path);
  trace.recorder = "tests/board/mesa/record";
  write_trace(trace, output);
  return 0;
}

int main(int argc, char** argv) {
  CLI::App app("Plays allocation traces to caches and measures them", "panbo-replay");
  app.require_subcommand(1);

  RunOptions run_options;
  auto* run_command = app.add_subcommand("run", "Play traces to policies");
  run_command
      ->add_option("TRACE", run_options.traces, "Files of panbod --record, PANBO_RECORD or panbo-replay generate")
      ->required()
      ->check(CLI::ExistingFile);
  std::vector<std::string> policies(kPolicies.begin(), kPolicies.end());
  policies.emplace_back(kBound);
  run_command
      ->add_option("--policy", run_options.policies, "Whose cache; may be given several times [all but keep-all]")
      ->check(CLI::IsMember(policies));
  run_command->add_option("--ram", run_options.board.ram, "Memory of panbo's board [4GiB]")
      ->transform(CLI::AsSizeValue(false));
  run_command->add_option("--others", run_options.board.others, "What all but BOs takes of it [1GiB]")
      ->transform(CLI::AsSizeValue(false));
  run_command->add_flag("--json", run_options.json, "Print JSON instead of a table");
  run_command->add_option("--svg", run_options.svg, "Draw the cached bytes over time into this file");
  run_command->add_flag("--check", run_options.check, "Fail if panbo misses one of its bars (docs/replay.md)");

  GenerateOptions generate_options;
  auto* generate_command = app.add_subcommand("generate", "Make a synthetic trace");
  std::vector<std::string> scenes;
  for (const auto& scene : kScenes) scenes.emplace_back(scene.name);
  generate_command->add_option("SCENE", generate_options.scene, "What it is about")
      ->required()
      ->check(CLI::IsMember(scenes));
  generate_command->add_option("--seed", generate_options.seed, "Other seeds give other traces [1]");
  generate_command->add_option("--output", generate_options.output, "The file")->required();

  std::string log;
  std::string imported;
  auto* import_command = app.add_subcommand("import", "Make a trace of what tests/board/mesa/record brought back");
  import_command->add_option("LOG", log, "The recorded lines")->required()->check(CLI::ExistingFile);
  import_command->add_option("--output", imported, "The file")->required();

  CLI11_PARSE(app, argc, argv);
  try {
    if (*run_command) return run(run_options);
    return *generate_command ? generate(generate_options) : import(log, imported);
  } catch (const std::exception& error) {
    std::cerr << "panbo-replay: " << error.what() << "\n";
    return 1;
  }
}

}  // namespace
}  // namespace panbo::replay

int main(int argc, char** argv) {
  return panbo::replay::main(argc, argv);
}
