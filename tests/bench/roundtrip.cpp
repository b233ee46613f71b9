// The daemon, the echo process and this one share a CPU, so that each round trip costs the same two switches, and the
// scheduler has no say in it. The three kinds take turns in random order within one run.
//
// BOs are released in batches outside of what is timed; the next batch begins when the daemon has them all ready.

#include <panbo.h>

#include <chrono>
#include <stdexcept>
#include <vector>

#include "tests/bench/benches.h"
#include "tests/bench/cpus.h"
#include "tests/bench/echo.h"
#include "tests/bench/medians.h"
#include "tests/support/client.h"
#include "tests/support/panbod_process.h"
#include "tests/support/wire_peer.h"

namespace panbo::bench {
namespace {

constexpr uint64_t kBoBytes = 64 * 1024;
constexpr size_t kBatch = 64;
constexpr int kBatches = 8;
constexpr int kRepetitions = 41;

class Rig {
 public:
  void alloc(uint32_t flags, uint32_t expected_origin) {
    bos_.push_back(client_.alloc(kBoBytes, flags));
    if (panbo_bo_get_origin(bos_.back()) != expected_origin) {
      throw std::runtime_error("a BO is not of the kind to be measured");
    }
  }

  void release_all() {
    for (panbo_bo* bo : bos_) client_.release(bo);
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
  WirePeer admin_{daemon_.admin_socket_path()};
  test::Client client_{"panbo-bench", daemon_.socket_path()};
  std::vector<panbo_bo*> bos_;
};

template <class Prepare, class Timed>
void measure(const char* name, Prepare prepare, Timed timed) {
  const auto run = [=](benchmark::State& state) {
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
  };
  add_benchmark(name, kRepetitions, run)->UseManualTime()->Iterations(kBatch * kBatches);
}

}  // namespace

Report roundtrip() {
  const KeepAffinity keep;
  pin(0, nth_cpu(0));
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
  const Medians medians = run_benchmarks();
  const double echo = medians.of("echo");
  const auto line = [&](const char* name, const char* what) {
    return Line{.what = what, .value = medians.of(name) / 1000, .ratio = medians.of(name) / echo};
  };
  return {.title = "What a request costs: 64 KiB over the socket, one CPU, simulated device",
          .unit = "us",
          .lines = {line("echo", "two processes echo a packet with one fd over SOCK_SEQPACKET"),
                    line("cached", "a BO from the daemon's cache"), line("fresh", "a fresh BO")}};
}

}  // namespace panbo::bench
