// Two clients of one daemon. The first allocates 64 KiB from the cache, again and again; the second does nothing, or
// has one BO of 256 MiB after the other made, whose memory the simulated device takes and clears as the kernel does.
// The two cases take turns in random order. Each repetition is a window of thousands of hits, and counts with its 99th
// percentile.
//
// The first client shares a CPU with the daemon's event loop, so that a hit costs the same two switches each time. The
// second one shares the other CPU with the daemon's device thread; or all share one, as on a board whose other cores
// are busy.

#include <panbo.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/bench/benches.h"
#include "tests/bench/cpus.h"
#include "tests/bench/medians.h"
#include "tests/support/client.h"
#include "tests/support/panbod_process.h"

namespace panbo::bench {
namespace {

constexpr double kBar = 2;
constexpr uint64_t kSmall = 64 * 1024;
constexpr uint64_t kLarge = uint64_t{256} << 20;
constexpr int kRepetitions = 9;
constexpr size_t kBatch = 64;
/// A window has at least so many batches, and goes on until the other client got so many BOs.
constexpr size_t kBatches = 64;
constexpr uint64_t kMadeInAWindow = 2;

/// A client that has large BOs made as long as it lives.
class LargeClient {
 public:
  LargeClient(const std::string& socket, int cpu) : client_("large", socket) {
    thread_ = std::thread([this, cpu] {
      pin(0, cpu);
      while (!ending_) {
        client_.release(client_.alloc(kLarge, PANBO_BO_ZEROED));
        ++made_;
      }
    });
    while (made_ == 0) std::this_thread::yield();
  }
  ~LargeClient() {
    ending_ = true;
    thread_.join();
  }
  LargeClient(const LargeClient&) = delete;
  LargeClient& operator=(const LargeClient&) = delete;

  [[nodiscard]] uint64_t made() const { return made_; }

 private:
  test::Client client_;
  std::atomic<bool> ending_ = false;
  std::atomic<uint64_t> made_ = 0;
  std::thread thread_;
};

class Daemon {
 public:
  explicit Daemon(int worker_cpu) : worker_cpu_(worker_cpu) {
    pin(process_.pid(), nth_cpu(0));
    pin(thread_named(process_.pid(), "panbod-device"), worker_cpu);
    for (size_t i = 0; i <= kBatch; ++i) bos_.push_back(client_.alloc(kSmall));
  }

  /// The 99th percentile of a window.
  double alone() {
    return percentile_of_hits([] { return true; });
  }
  double beside() {
    LargeClient large(process_.socket_path(), worker_cpu_);
    const uint64_t enough = large.made() + kMadeInAWindow;
    return percentile_of_hits([&] { return large.made() >= enough; });
  }

 private:
  template <class Enough>
  double percentile_of_hits(Enough enough) {
    std::vector<double> seconds;
    for (size_t batch = 0; batch < kBatches || !enough(); ++batch) {
      for (panbo_bo* bo : bos_) client_.release(bo);
      bos_.clear();
      // A client's requests are served in order: the answer to this one comes after the releases, which are not to be
      // measured.
      hit();
      for (size_t i = 0; i < kBatch; ++i) {
        const auto start = std::chrono::steady_clock::now();
        hit();
        seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      }
    }
    const auto at = seconds.begin() + static_cast<ptrdiff_t>(seconds.size() * 99 / 100);
    std::nth_element(seconds.begin(), at, seconds.end());
    return *at;
  }

  void hit() {
    bos_.push_back(client_.alloc(kSmall));
    if (panbo_bo_get_origin(bos_.back()) != PANBO_ORIGIN_CACHED) throw std::runtime_error("not from the cache");
  }

  PanbodProcess process_{"sim:clear"};
  const int worker_cpu_;
  test::Client client_{"small", process_.socket_path()};
  std::vector<panbo_bo*> bos_;
};

void add(const std::string& name, Daemon& daemon, double (Daemon::*window)()) {
  add_benchmark(name, kRepetitions,
                [&daemon, window](benchmark::State& state) {
                  for (auto _ : state) state.SetIterationTime((daemon.*window)());
                })
      ->UseManualTime()
      ->Iterations(1);
}

}  // namespace

Report beside_large() {
  const KeepAffinity keep;
  pin(0, nth_cpu(0));
  Daemon two_cpus(nth_cpu(1));
  Daemon one_cpu(nth_cpu(0));
  add("two, alone", two_cpus, &Daemon::alone);
  add("two, beside", two_cpus, &Daemon::beside);
  add("one, alone", one_cpu, &Daemon::alone);
  add("one, beside", one_cpu, &Daemon::beside);
  const Medians medians = run_benchmarks();
  Report report{.title = "A hit's 99th percentile while another client has 256 MiB made again and again", .unit = "us"};
  const auto add_lines = [&](const std::string& name, const std::string& where) {
    const double alone = medians.of(name + ", alone");
    const double beside = medians.of(name + ", beside");
    report.lines.push_back({.what = where + ", alone", .value = alone / 1000, .ratio = 1});
    report.lines.push_back(
        {.what = where + ", beside", .value = beside / 1000, .ratio = beside / alone, .at_most = kBar});
  };
  add_lines("two", "device thread on a CPU of its own");
  add_lines("one", "everything on one CPU");
  return report;
}

}  // namespace panbo::bench
