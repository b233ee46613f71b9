// panbo-bench: one subcommand a question; without one, all that need no GPU.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <stdexcept>

#include "tests/bench/benches.h"
#include "tests/bench/medians.h"
#include "tests/bench/picture.h"

namespace panbo::bench {
namespace {

struct Bench {
  const char* name;
  const char* question;
  Report (*run)();
  bool needs_gpu = false;
};

constexpr Bench kBenches[] = {
    {"allocations", "What an allocation costs, beside a bare echo and a private cache", allocations},
    {"throughput", "What a pair over the socket takes with up to 64 clients, beside one", throughput},
    {"client-memory", "What the daemon and the library take for each client", client_memory},
    {"full-cache", "What a hit costs with 100,000 ready BOs, beside 1,000", full_cache},
    {"memory", "What the daemon's records of 100,000 ready BOs take", memory},
    {"beside-large", "A hit's 99th percentile while another client has 256 MiB made, beside alone", beside_large},
    {"panfrost", "A hit in the process beside a private cache, on a panfrost GPU", panfrost, true},
};

void write(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  if (!(file << text << std::flush)) throw std::runtime_error("cannot write " + path);
}

int run(const std::vector<const Bench*>& chosen, bool json, const std::string& pictures) {
  start_benchmarks();
  std::vector<Report> reports;
  for (const Bench* bench : chosen) {
    reports.push_back(bench->run());
    if (!pictures.empty()) write(pictures + "/" + bench->name + ".svg", picture_of(reports.back()));
    if (json) continue;
    std::printf("%s%s", bench == chosen.front() ? "" : "\n", table_of(reports.back()).c_str());
    std::fflush(stdout);
  }
  if (json) std::printf("%s", json_of(reports).c_str());
  return std::all_of(reports.begin(), reports.end(), [](const Report& report) { return report.met(); }) ? 0 : 1;
}

}  // namespace
}  // namespace panbo::bench

int main(int argc, char** argv) {
  using namespace panbo::bench;
  CLI::App app("Measures panbo beside baselines, in one run. Ratios count; times are this machine's.", "panbo-bench");
  app.require_subcommand(0, static_cast<int>(std::size(kBenches)));
  app.fallthrough();
  bool json = false;
  app.add_flag("--json", json, "Print JSON");
  std::string pictures;
  app.add_option("--svg", pictures, "Draw each table, as NAME.svg, into this directory")->check(CLI::ExistingDirectory);
  std::vector<const Bench*> chosen;
  for (const Bench& bench : kBenches) {
    app.add_subcommand(bench.name, bench.question)->callback([&] { chosen.push_back(&bench); });
  }
  app.footer("The exit status is 1 if a bar was missed.");
  CLI11_PARSE(app, argc, argv);
  if (chosen.empty()) {
    for (const Bench& bench : kBenches) {
      if (!bench.needs_gpu) chosen.push_back(&bench);
    }
  }
  try {
    return run(chosen, json, pictures);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "panbo-bench: %s\n", error.what());
    return 2;
  }
}
