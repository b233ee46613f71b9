// What the allocator has given out, before and after: its own overhead is not counted, what containers keep in reserve
// is.

#include <malloc.h>

#include "tests/bench/benches.h"
#include "tests/bench/stocked_service.h"

namespace panbo::bench {
namespace {

constexpr size_t kBos = 100'000;
constexpr double kBar = 256;

Line bytes_per_bo(const char* what, std::vector<uint64_t> sizes, uint32_t users) {
  const auto in_use = [] {
    const auto info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
  };
  const size_t before = in_use();
  const StockedService service({std::move(sizes), users, kBos});
  return {.what = what, .value = static_cast<double>(in_use() - before) / kBos, .at_most = kBar};
}

}  // namespace

Report memory() {
  constexpr uint64_t kKiB = 1024;
  return {.title = "What the daemon's records take for each of 100,000 ready BOs",
          .unit = "bytes",
          .lines = {
              bytes_per_bo("64 KiB, one user", {64 * kKiB}, 1),
              bytes_per_bo("64 sizes from 4 to 512 KiB, 4 users", classes_between(4 * kKiB, 512 * kKiB), 4),
              bytes_per_bo("48 sizes from 544 KiB to 4 MiB, 4 users", classes_between(544 * kKiB, 4096 * kKiB), 4),
          }};
}

}  // namespace panbo::bench
