// panbo-bench: one subcommand a question.

#include <benchmark/benchmark.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "tests/bench/roundtrip.h"

int main(int argc, char** argv) {
  CLI::App app("Measures panbo beside baselines, in one run. Ratios count; times are this machine's.", "panbo-bench");
  app.require_subcommand(1);
  bool json = false;
  CLI::App* roundtrip = app.add_subcommand("roundtrip", "An allocation over the socket, beside a bare echo");
  roundtrip->add_flag("--json", json, "Print JSON");
  CLI11_PARSE(app, argc, argv);

  // Repetitions of the kinds alternate, so that what disturbs the machine disturbs all of them.
  char name[] = "panbo-bench";
  char interleave[] = "--benchmark_enable_random_interleaving=true";
  char* arguments[] = {name, interleave};
  int count = 2;
  benchmark::Initialize(&count, arguments);
  try {
    if (*roundtrip) panbo::bench::roundtrip(json);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "panbo-bench: %s\n", error.what());
    return 1;
  }
}
