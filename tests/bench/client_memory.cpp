// What the daemon's process takes for its clients, as the kernel counts it (private memory of /proc/PID/smaps_rollup),
// with each of them holding 64 leases. BOs themselves are the device's and do not count.

#include <panbo.h>

#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/bench/benches.h"
#include "tests/support/client.h"
#include "tests/support/panbod_process.h"

namespace panbo::bench {
namespace {

constexpr uint64_t kBoBytes = 64 * 1024;
constexpr size_t kLeases = 64;

double private_kib(const std::string& pid) {
  std::ifstream rollup("/proc/" + pid + "/smaps_rollup");
  double sum = 0;
  std::string word;
  while (rollup >> word) {
    if (word != "Private_Clean:" && word != "Private_Dirty:") continue;
    double kib = 0;
    rollup >> kib;
    sum += kib;
  }
  if (sum == 0) throw std::runtime_error("the kernel does not say how much memory a process takes");
  return sum;
}

}  // namespace

Report client_memory() {
  const PanbodProcess daemon;
  std::vector<std::unique_ptr<test::Client>> clients;
  Report report{.title = "What clients take with 64 leases each, on the simulated device", .unit = "KiB"};
  const std::string pid = std::to_string(daemon.pid());
  const double empty = private_kib(pid);
  report.lines.push_back({.what = "the daemon without clients", .value = empty});
  const double library_before = private_kib("self");
  for (const size_t count : {1, 8, 32}) {
    while (clients.size() < count) {
      clients.push_back(std::make_unique<test::Client>("panbo-bench", daemon.socket_path(), 0));
      for (size_t i = 0; i < kLeases; ++i) clients.back()->alloc(kBoBytes);
    }
    const std::string with = " with " + std::to_string(count) + (count == 1 ? " client" : " clients");
    report.lines.push_back(
        {.what = "the daemon" + with + ", for each", .value = (private_kib(pid) - empty) / static_cast<double>(count)});
    report.lines.push_back({.what = "libpanbo" + with + ", for each",
                            .value = (private_kib("self") - library_before) / static_cast<double>(count)});
  }
  return report;
}

}  // namespace panbo::bench
