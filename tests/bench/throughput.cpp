// Clients of one daemon, each a thread with a connection of its own that keeps nothing, allocate and release 64 KiB
// over the socket as fast as they can. The daemon has one CPU and the clients have the other.
//
// All numbers of clients take turns in random order. What is timed is a round in which every client makes its share of
// a fixed number of pairs; its time is what a pair takes, however many clients share the work.

#include <panbo.h>

#include <atomic>
#include <barrier>
#include <memory>
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

constexpr uint64_t kBoBytes = 64 * 1024;
constexpr int kRepetitions = 15;
constexpr int kPairs = 4096;
constexpr int kMostClients = 64;
/// 80 % of the throughput.
constexpr double kBar = 1 / 0.8;

class Crowd {
 public:
  Crowd(const std::string& socket, int clients, int cpu) : turn_(clients + 1) {
    for (int i = 0; i < clients; ++i) {
      threads_.emplace_back([this, socket, pairs = kPairs / clients, cpu] { work(socket, pairs, cpu); });
    }
  }
  ~Crowd() {
    ending_ = true;
    turn_.arrive_and_wait();
    for (std::thread& thread : threads_) thread.join();
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  /// All make their share of the pairs.
  void round() {
    turn_.arrive_and_wait();
    turn_.arrive_and_wait();
  }

 private:
  void work(const std::string& socket, int pairs, int cpu) {
    pin(0, cpu);
    test::Client client("crowd", socket);
    while (true) {
      turn_.arrive_and_wait();
      if (ending_) return;
      for (int i = 0; i < pairs; ++i) client.release(client.alloc(kBoBytes));
      turn_.arrive_and_wait();
    }
  }

  std::barrier<> turn_;
  std::atomic<bool> ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace

Report throughput() {
  const KeepAffinity keep;
  const PanbodProcess daemon;
  pin(daemon.pid(), nth_cpu(0));
  const int cpu = nth_cpu(1);
  std::vector<std::unique_ptr<Crowd>> crowds;
  for (int clients = 1; clients <= kMostClients; clients *= 2) {
    Crowd& crowd = *crowds.emplace_back(std::make_unique<Crowd>(daemon.socket_path(), clients, cpu));
    crowd.round();
    add_benchmark(std::to_string(clients), kRepetitions, [&crowd](benchmark::State& state) {
      for (auto _ : state) crowd.round();
    })->Iterations(1);
  }
  const Medians medians = run_benchmarks();

  Report report{.title = "What a pair over the socket takes with more clients: the daemon on one CPU, they on another",
                .unit = "us"};
  const double alone = medians.of("1");
  for (int clients = 1; clients <= kMostClients; clients *= 2) {
    const double time = medians.of(std::to_string(clients));
    Line line{.what = std::to_string(clients) + (clients == 1 ? " client" : " clients"),
              .value = time / kPairs / 1000,
              .ratio = time / alone};
    if (clients > 1) line.at_most = kBar;
    report.lines.push_back(line);
  }
  return report;
}

}  // namespace panbo::bench
