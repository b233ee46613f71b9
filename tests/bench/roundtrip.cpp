// The daemon, the echo process and this one share a CPU, so that each round trip costs the same two switches, and the
// scheduler has no say in it. The three kinds take turns in random order within one run.
//
// BOs are released in batches outside of what is timed; the next batch begins when the daemon has them all ready.

#include "tests/bench/roundtrip.h"

#include <panbo.h>
#include <sched.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

#include "tests/bench/echo.h"
#include "tests/bench/report.h"
#include "tests/support/panbod_process.h"
#include "tests/support/wire_peer.h"

namespace panbo::bench {
namespace {

constexpr uint64_t kBoBytes = 64 * 1024;
constexpr size_t kBatch = 64;
constexpr int kBatches = 8;
constexpr int kRepetitions = 41;

void check(int result, const char* what) {
  if (result < 0) throw std::runtime_error(std::string(what) + ": " + std::strerror(-result));
}

void stay_on_this_cpu() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(::sched_getcpu(), &set);
  if (::sched_setaffinity(0, sizeof(set), &set) < 0) throw std::runtime_error("cannot stay on one CPU");
}

class Rig {
 public:
  Rig() : admin_(daemon_.admin_socket_path()) {
    const std::string path = daemon_.socket_path();
    const panbo_client_options options{
        .struct_size = sizeof(options), .flags = 0, .socket_path = path.c_str(), .name = "panbo-bench", .drm_fd = -1};
    check(panbo_client_connect(&options, &client_), "connect");
  }
  ~Rig() { panbo_client_close(client_); }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  void alloc(uint32_t flags, uint32_t expected_origin) {
    panbo_alloc_request request{};
    request.struct_size = sizeof(request);
    request.size = kBoBytes;
    request.flags = flags;
    panbo_bo* bo = nullptr;
    check(panbo_bo_alloc(client_, &request, &bo), "alloc");
    if (panbo_bo_get_origin(bo) != expected_origin) throw std::runtime_error("a BO is not of the kind to be measured");
    bos_.push_back(bo);
  }

  void release_all() {
    for (panbo_bo* bo : bos_) check(panbo_bo_release(bo, PANBO_RELEASE_IDLE), "release");
    bos_.clear();
    while (admin_.stats().leased().count() > 0) continue;
  }

  /// As many ready BOs as a batch needs, and no more.
  void fill_cache() {
    admin_.evict_all();
    for (size_t i = 0; i < kBatch; ++i) alloc(PANBO_BO_ZEROED, PANBO_ORIGIN_FRESH);
    release_all();
    while (admin_.stats().ready().count() < kBatch) continue;
  }

  EchoProcess echo;

 private:
  PanbodProcess daemon_;
  WirePeer admin_;
  panbo_client* client_ = nullptr;
  std::vector<panbo_bo*> bos_;
};

template <class Prepare, class Timed>
void measure(const char* name, Prepare prepare, Timed timed) {
  benchmark::RegisterBenchmark(name,
                               [=](benchmark::State& state) {
                                 size_t done = kBatch;
                                 for (auto _ : state) {
                                   if (done == kBatch) {
                                     prepare();
                                     done = 0;
                                   }
                                   const auto start = std::chrono::steady_clock::now();
                                   timed();
                                   const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
                                   state.SetIterationTime(time.count());
                                   ++done;
                                 }
                               })
      ->UseManualTime()
      ->Iterations(kBatch * kBatches)
      ->Repetitions(kRepetitions)
      ->ReportAggregatesOnly()
      ->Unit(benchmark::kNanosecond);
}

}  // namespace

void roundtrip(bool json) {
  stay_on_this_cpu();
  Rig rig;
  measure(
      "echo", [] {}, [&rig] { rig.echo.round_trip(); });
  measure(
      "cached",
      [&rig] {
        rig.release_all();
        rig.fill_cache();
      },
      [&rig] { rig.alloc(0, PANBO_ORIGIN_CACHED); });
  measure(
      "fresh", [&rig] { rig.release_all(); }, [&rig] { rig.alloc(PANBO_BO_ZEROED, PANBO_ORIGIN_FRESH); });
  MedianReporter medians;
  benchmark::RunSpecifiedBenchmarks(&medians);
  print("round trip to the daemon, 64 KiB, one CPU, simulated device",
        {{"echo", "two processes echo a packet with one fd over SOCK_SEQPACKET"},
         {"cached", "a BO from the daemon's cache"},
         {"fresh", "a fresh BO"}},
        "echo", medians, json);
}

}  // namespace panbo::bench
