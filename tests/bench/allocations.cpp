// Everything that an allocation can cost, side by side, and what it is to be compared with.
//
// The daemon, the echo process and this one share a CPU, so that each round trip costs the same two switches, and the
// scheduler has no say in it. All kinds take turns in random order within one run.
//
// What goes over the socket is timed without its releases: BOs are released in batches outside of what is timed, and
// the next batch begins when the daemon has them all ready. What stays in the process is timed as pairs of allocation
// and release, many to one reading of the clock.

#include <panbo.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <vector>

#include "tests/bench/benches.h"
#include "tests/bench/cpus.h"
#include "tests/bench/echo.h"
#include "tests/bench/medians.h"
#include "tests/bench/private_cache.h"
#include "tests/support/client.h"
#include "tests/support/panbod_process.h"
#include "tests/support/wire_peer.h"

namespace panbo::bench {
namespace {

constexpr uint64_t kBoBytes = 64 * 1024;
constexpr size_t kBatch = 64;
constexpr int kBatches = 8;
constexpr int kRepetitions = 41;
constexpr int kPairs = 20'000;

void expect_origin(const panbo_bo* bo, uint32_t expected) {
  if (panbo_bo_get_origin(bo) != expected) throw std::runtime_error("a BO is not of the kind to be measured");
}

/// A client that keeps nothing, and a daemon with as many ready BOs as a batch needs.
class OverTheSocket {
 public:
  void alloc(uint32_t flags, uint32_t expected_origin) {
    bos_.push_back(client_.alloc(kBoBytes, flags));
    expect_origin(bos_.back(), expected_origin);
  }

  void alloc_batch() {
    std::vector<panbo_alloc_request> requests(kBatch);
    for (panbo_alloc_request& request : requests) {
      request.struct_size = sizeof(request);
      request.size = kBoBytes;
    }
    bos_.resize(kBatch);
    if (panbo_bo_alloc_batch(client_.get(), requests.data(), kBatch, bos_.data()) < 0) {
      throw std::runtime_error("a batch was refused");
    }
    for (const panbo_bo* bo : bos_) expect_origin(bo, PANBO_ORIGIN_CACHED);
  }

  void release_all() {
    for (panbo_bo* bo : bos_) client_.release(bo);
    bos_.clear();
    while (admin_.stats().leased().count() > 0) continue;
  }

  /// As many ready BOs as a batch needs, and no more.
  void fill_cache() {
    release_all();
    admin_.evict_all();
    for (size_t i = 0; i < kBatch; ++i) alloc(PANBO_BO_ZEROED, PANBO_ORIGIN_FRESH);
    release_all();
    while (admin_.stats().ready().count() < kBatch) continue;
  }

 private:
  PanbodProcess daemon_;
  WirePeer admin_{daemon_.admin_socket_path()};
  test::Client client_{"panbo-bench", daemon_.socket_path()};
  std::vector<panbo_bo*> bos_;
};

/// A client that keeps what it releases.
class InTheProcess {
 public:
  /// While others took their turns the daemon has taken back what was kept.
  void warm_up() { client_.release(client_.alloc(kBoBytes), PANBO_RELEASE_IDLE); }

  void pair(uint32_t release_flags) {
    panbo_bo* bo = client_.alloc(kBoBytes);
    expect_origin(bo, PANBO_ORIGIN_LOCAL);
    client_.release(bo, release_flags);
  }

 private:
  PanbodProcess daemon_;
  test::Client client_{"panbo-bench", daemon_.socket_path(), 0};
};

class Mesa {
 public:
  Mesa() { cache_.put(cache_.add(1, kBoBytes)); }
  void pair() { cache_.put(cache_.take(kBoBytes)); }

 private:
  CheapestCalls calls_;
  PrivateCache cache_{calls_};
};

/// Memory of the kernel's, zeroed: what a fresh buffer costs here at least.
void make_memfd() {
  const UniqueFd fd(::memfd_create("panbo-bench", MFD_CLOEXEC));
  if (::ftruncate(fd.get(), kBoBytes) < 0) throw std::runtime_error("memfd_create failed");
  void* map = ::mmap(nullptr, kBoBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd.get(), 0);
  if (map == MAP_FAILED) throw std::runtime_error("a memfd cannot be mapped");
  ::munmap(map, kBoBytes);
}

/// `timed` alone is timed, `prepare` comes before each `round` of them. The median of one repetition counts, in the
/// median of all: a mean would be one of what the machine does besides, too.
template <class Prepare, class Timed>
void add_single(const char* name, size_t round, Prepare prepare, Timed timed) {
  const size_t rounds = round == 1 ? kBatches : kBatches * kBatch / round;
  const auto run = [=](benchmark::State& state) {
    std::vector<double> times;
    times.reserve(round * rounds);
    for (auto _ : state) {
      for (size_t i = 0; i < round * rounds; ++i) {
        if (i % round == 0) prepare();
        const auto start = std::chrono::steady_clock::now();
        timed();
        times.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      }
      const auto middle = times.begin() + static_cast<ptrdiff_t>(times.size() / 2);
      std::nth_element(times.begin(), middle, times.end());
      state.SetIterationTime(*middle);
    }
  };
  add_benchmark(name, kRepetitions, run)->UseManualTime()->Iterations(1);
}

}  // namespace

Report allocations() {
  const KeepAffinity keep;
  pin(0, nth_cpu(0));
  EchoProcess echo;
  OverTheSocket socket;
  InTheProcess process;
  Mesa mesa;
  const auto nothing = [] {};
  const auto fill = [&] { socket.fill_cache(); };
  add_single("echo", kBatch, nothing, [&] { echo.round_trip(); });
  add_single("socket", kBatch, fill, [&] { socket.alloc(0, PANBO_ORIGIN_CACHED); });
  add_single("batch", 1, fill, [&] { socket.alloc_batch(); });
  add_single(
      "fresh", kBatch, [&] { socket.release_all(); }, [&] { socket.alloc(PANBO_BO_ZEROED, PANBO_ORIGIN_FRESH); });
  add_single("memfd", kBatch, nothing, make_memfd);
  const auto warm_up = [&] { process.warm_up(); };
  add_pairs("local", kRepetitions, kPairs, warm_up, [&] { process.pair(PANBO_RELEASE_IDLE); });
  add_pairs("local, maybe busy", kRepetitions, kPairs, warm_up, [&] { process.pair(0); });
  add_pairs("mesa", kRepetitions, kPairs, nothing, [&] { mesa.pair(); });
  const Medians medians = run_benchmarks();

  const double echoed = medians.of("echo");
  const double mesas = medians.of("mesa");
  const double single = medians.of("socket");
  const double in_batch = medians.of("batch") / kBatch;
  const double local = medians.of("local");
  return {
      .title = "What an allocation costs: 64 KiB, one CPU, simulated device",
      .unit = "ns",
      .lines = {
          {.what = "two processes echo a packet with one fd over SOCK_SEQPACKET", .value = echoed, .ratio = 1},
          {.what = "socket hit / echo", .value = single, .ratio = single / echoed, .at_most = 1.3},
          {.what = "one of a batch of 64 / socket hit", .value = in_batch, .ratio = in_batch / single, .at_most = 0.2},
          {.what = "fresh / echo", .value = medians.of("fresh"), .ratio = medians.of("fresh") / echoed},
          {.what = "memfd_create, populate, close / echo",
           .value = medians.of("memfd"),
           .ratio = medians.of("memfd") / echoed},
          {.what = "pair in a private cache like Mesa's, each of its 4 ioctls stood in for by getppid",
           .value = mesas,
           .ratio = 1},
          {.what = "pair that hits locally, released as idle / private cache",
           .value = local,
           .ratio = local / mesas,
           .at_most = 0.1},
          {.what = "the same, in ns", .value = local, .at_most = 150},
          {.what = "pair that hits locally, released as perhaps busy / private cache",
           .value = medians.of("local, maybe busy"),
           .ratio = medians.of("local, maybe busy") / mesas},
      }};
}

}  // namespace panbo::bench
