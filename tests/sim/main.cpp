// panbo-sim: runs seeds, prints the first that breaks a rule, and replays one step by step.

#include <CLI/CLI.hpp>
#include <atomic>
#include <iostream>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "tests/sim/random_run.h"
#include "tests/sim/scenarios.h"

namespace panbo::sim {
namespace {

struct Options {
  std::optional<uint64_t> seed;
  uint64_t first = 1;
  uint64_t seeds = 1000;
  int steps = 1000;
  bool trace = false;
  std::string scenario;
  Rules rules;
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
};

void add(const Coverage& one, Coverage& sum) {
  sum.requests += one.requests;
  sum.cached += one.cached;
  sum.fresh += one.fresh;
  sum.waited += one.waited;
  sum.failed += one.failed;
  sum.evicted += one.evicted;
  sum.purged += one.purged;
  sum.used_again += one.used_again;
  sum.given_back += one.given_back;
}

void print(const Coverage& coverage) {
  std::cout << "BOs asked for: " << coverage.requests << ", from the cache " << coverage.cached << ", fresh "
            << coverage.fresh << ", after waiting " << coverage.waited << ", refused " << coverage.failed
            << "; evicted " << coverage.evicted << ", purged by the kernel " << coverage.purged
            << "; used again by their clients " << coverage.used_again << ", taken from them " << coverage.given_back
            << "\n";
}

/// The rule that the seed broke, or nothing. What the seed met is added to `coverage`.
std::optional<std::string> run_seed(uint64_t seed, int steps, const Rules& rules, std::ostream* trace,
                                    Coverage& coverage) {
  try {
    RandomRun run(seed, rules, trace);
    run.run(steps);
    add(run.coverage(), coverage);
    return std::nullopt;
  } catch (const std::exception& e) {
    return e.what();
  }
}

int run_many(const Options& options) {
  std::atomic<uint64_t> next = options.first;
  const uint64_t end = options.first + options.seeds;
  std::atomic<uint64_t> failed = 0;
  std::mutex output;
  Coverage coverage;
  const auto work = [&] {
    Coverage mine;
    for (uint64_t seed = next++; seed < end && failed == 0; seed = next++) {
      const auto broken = run_seed(seed, options.steps, options.rules, nullptr, mine);
      if (!broken) continue;
      const std::lock_guard lock(output);
      if (failed++ == 0) {
        std::cout << "seed " << seed << " broke a rule: " << *broken << "\nreplay it with: panbo-sim --seed " << seed
                  << " --steps " << options.steps << " --trace\n";
      }
    }
    const std::lock_guard lock(output);
    add(mine, coverage);
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < options.threads; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  if (failed > 0) return 1;
  print(coverage);
  std::cout << options.seeds << " seeds of " << options.steps << " steps: every rule held\n";
  return 0;
}

int run_one(const Options& options) {
  Coverage coverage;
  const auto broken =
      run_seed(*options.seed, options.steps, options.rules, options.trace ? &std::cout : nullptr, coverage);
  std::cout << "seed " << *options.seed << ": " << (broken ? "broke a rule: " + *broken : "every rule held") << "\n";
  return broken ? 1 : 0;
}

bool play(const Scenario& scenario, const Options& options) {
  try {
    scenario.play(options.rules, options.trace ? &std::cout : nullptr);
  } catch (const std::exception& e) {
    std::cout << "scenario " << scenario.name << " broke a rule: " << e.what() << "\n";
    return false;
  }
  std::cout << "scenario " << scenario.name << ": every rule held\n";
  return true;
}

int run_scenario(const Options& options) {
  if (options.scenario == "all") {
    bool held = true;
    for (const Scenario& one : scenarios()) held = play(one, options) && held;
    return held ? 0 : 1;
  }
  const Scenario* scenario = find_scenario(options.scenario);
  if (scenario == nullptr) {
    std::cout << "there is no scenario of that name; there are:\n";
    for (const Scenario& one : scenarios()) std::cout << "  " << one.name << "\n";
    return 2;
  }
  return play(*scenario, options) ? 0 : 1;
}

}  // namespace
}  // namespace panbo::sim

int main(int argc, char** argv) {
  CLI::App app("Runs the whole of panbod's service under virtual time, with seeded clients, crashes and failures");
  panbo::sim::Options options;
  app.add_option("--seed", options.seed, "Run this seed only");
  app.add_option("--first", options.first, "The first of many seeds")->capture_default_str();
  app.add_option("--seeds", options.seeds, "How many seeds to run")->capture_default_str();
  app.add_option("--steps", options.steps, "Steps of each")->capture_default_str();
  app.add_option("--threads", options.threads, "Seeds to run at a time")->capture_default_str();
  app.add_flag("--trace", options.trace, "Print every step; with --seed");
  app.add_option("--scenario", options.scenario, "Run this scenario, or all; a name that there is not lists them");
  app.add_flag("!--no-waiting-rules", options.rules.waiting, "Leave out who waits or is refused for what is there");
  app.add_flag("!--no-work-rules", options.rules.work, "Leave out what a call may cost");
  app.add_flag("!--no-worker-rules", options.rules.worker, "Leave out what the worker may be asked for");
  app.add_flag("!--no-fairness-rules", options.rules.fairness, "Leave out who is refused for what others have");
  CLI11_PARSE(app, argc, argv);
  if (!options.scenario.empty()) return panbo::sim::run_scenario(options);
  return options.seed ? panbo::sim::run_one(options) : panbo::sim::run_many(options);
}
