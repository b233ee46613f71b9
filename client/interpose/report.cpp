#include "client/interpose/report.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

namespace panbo::interpose {

std::string counts_line(std::string_view program, int process_id, const BoCounts& counts) {
  struct Count {
    const char* name;
    uint64_t value;
  };
  const std::array origins{
      Count{"local", counts.local},   Count{"cached", counts.cached}, Count{"waited", counts.waited},
      Count{"fresh", counts.fresh},   Count{"direct", counts.direct}, Count{"passed on", counts.passed_on},
      Count{"failed", counts.failed},
  };
  uint64_t total = 0;
  for (const Count& count : origins) total += count.value;
  std::string line = "panbo-run: ";
  line.append(program).append("[").append(std::to_string(process_id)).append("] asked for ");
  line.append(std::to_string(total)).append(" BOs:");
  const char* separator = " ";
  for (const Count& count : origins) {
    line.append(separator).append(std::to_string(count.value)).append(" ").append(count.name);
    separator = ", ";
  }
  return line.append("\n");
}

void report_counts(const BoCounts& counts) {
  const bool used =
      counts.local + counts.cached + counts.waited + counts.fresh + counts.direct + counts.passed_on + counts.failed !=
      0;
  if (!used || ::secure_getenv(kStatsVariable) == nullptr) return;
  const std::string line = counts_line(::program_invocation_short_name, ::getpid(), counts);
  // In one piece, since several programs may share it. There is nobody to tell if it fails.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace panbo::interpose
