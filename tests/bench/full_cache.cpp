// What is compared is the same stock with few and with many BOs of each size and user: what a hit touches is as much in
// both cases, if the daemon's containers are as good as they should be.

#include <memory>

#include "tests/bench/benches.h"
#include "tests/bench/cpus.h"
#include "tests/bench/medians.h"
#include "tests/bench/stocked_service.h"

namespace panbo::bench {
namespace {

constexpr size_t kFew = 1'000;
constexpr size_t kMany = 100'000;
constexpr double kBar = 1.2;
constexpr int kRepetitions = 41;
constexpr int kHits = 20'000;

struct Shape {
  std::string what;
  std::vector<uint64_t> sizes;
  uint32_t users;
};

std::string name_of(const Shape& shape, size_t bos) {
  return shape.what + "; " + std::to_string(bos);
}

}  // namespace

Report full_cache() {
  const KeepAffinity keep;
  pin(0, nth_cpu(0));
  constexpr uint64_t kKiB = 1024;
  const Shape shapes[] = {
      {"64 KiB, one user", {64 * kKiB}, 1},
      {"64 sizes from 4 to 512 KiB, 4 users", classes_between(4 * kKiB, 512 * kKiB), 4},
      {"112 sizes from 4 KiB to 4 MiB, 4 users", classes_between(4 * kKiB, 4096 * kKiB), 4},
  };
  std::vector<std::unique_ptr<StockedService>> services;
  for (const Shape& shape : shapes) {
    for (const size_t bos : {kFew, kMany}) {
      auto* service =
          services.emplace_back(std::make_unique<StockedService>(Stock{shape.sizes, shape.users, bos})).get();
      add_benchmark(name_of(shape, bos), kRepetitions, [service](benchmark::State& state) {
        for (auto _ : state) service->hit();
      })->Iterations(kHits);
    }
  }
  const Medians medians = run_benchmarks();
  Report report{.title = "What a hit and its release cost the service: 100,000 ready BOs beside 1,000", .unit = "ns"};
  for (const Shape& shape : shapes) {
    const double few = medians.of(name_of(shape, kFew));
    const double many = medians.of(name_of(shape, kMany));
    report.lines.push_back({.what = shape.what + ", 1,000 ready", .value = few, .ratio = 1});
    report.lines.push_back(
        {.what = shape.what + ", 100,000 ready", .value = many, .ratio = many / few, .at_most = kBar});
  }
  return report;
}

}  // namespace panbo::bench
