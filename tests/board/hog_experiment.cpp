// What becomes of a program that wants the memory that panbod keeps in its cache, on a board without swap.
//
// 300 MiB of idle BOs are in the cache when a hog begins to take memory: all that the board has left and 200 MiB more.
// A client goes on allocating meanwhile, and, in half of the rows, another program goes on reading a file of 450 MiB.
// Whatever of the cache is not given back in time costs the hog its life: the kernel's shrinker takes no BO that was
// ever exported (docs/kernel-facts.md).
//
// The cache decays over an hour here, so that nothing but headroom, pressure and the kernel's no can shrink it. By
// default headroom lets the cache be a quarter of what the board has left, so there have to be 1200 MiB left to have
// 300 MiB cached with it, and all rows start like that: the board needs 1792 MiB of RAM.
//
// As a test it runs the rows of a daemon with its defaults, which must all end well, and one with headroom and pressure
// switched off, which must not: there it shows that the hog is one that would be killed. PANBO_HOG=all in the
// environment runs every row. Either way a table comes out.

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "tests/board/board_state.h"
#include "tests/board/memory_hog.h"
#include "tests/support/await.h"
#include "tests/support/client.h"
#include "tests/support/panbod_process.h"
#include "tests/support/wire_peer.h"

namespace panbo::test {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kMB = 1'000'000;
constexpr uint64_t kCached = 300 * kMiB;
constexpr uint64_t kNeeded = 200 * kMiB;
constexpr uint64_t kFile = 450 * kMiB;
constexpr uint64_t kBo = 512 * 1024;
constexpr auto kLongest = std::chrono::minutes(5);

struct Row {
  bool headroom;
  bool pressure;
  /// Bytes a second; 0: at full speed.
  uint64_t pace;
  bool page_cache;
};

struct Outcome {
  MemoryHog::State hog = MemoryHog::State::kTaking;
  /// Processes that the kernel killed for want of memory.
  uint64_t oom_kills = 0;
  uint64_t pace = 0;
  uint64_t left_cached = 0;
  uint64_t asked = 0;
  uint64_t failed = 0;
  /// What made the daemon give back first, and what the hog had then.
  std::string signal = "none";
  uint64_t signal_at = 0;
};

/// Allocates and releases until it dies: in turn what the cache may have, and what the kernel has to make.
class Allocating {
 public:
  explicit Allocating(const std::string& socket) : client_("allocating", socket), thread_([this] { run(); }) {}
  ~Allocating() { stop(); }
  Allocating(const Allocating&) = delete;
  Allocating& operator=(const Allocating&) = delete;

  void stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

  // Once it has stopped.

  [[nodiscard]] uint64_t asked() const { return asked_; }
  [[nodiscard]] uint64_t failed() const { return failed_; }

 private:
  void run() {
    while (!stop_) {
      try_one(kBo, 0);
      try_one(64 * 1024, PANBO_BO_ZEROED);
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
  void try_one(uint64_t size, uint32_t flags) {
    panbo_bo* bo = nullptr;
    ++asked_;
    if (client_.try_alloc(size, &bo, flags) < 0) {
      ++failed_;
    } else {
      client_.release(bo);
    }
  }

  Client client_;
  uint64_t asked_ = 0;
  uint64_t failed_ = 0;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

/// On the whole board, since it was booted.
uint64_t oom_kills() {
  std::ifstream file("/proc/vmstat");
  uint64_t count = 0;
  for (std::string key; file >> key >> count;) {
    if (key == "oom_kill") return count;
  }
  throw std::runtime_error("the kernel does not count its OOM kills");
}

std::string settings(const Row& row) {
  return std::string("[cache]\ndecay = \"1h\"\n") + (row.headroom ? "" : "headroom = 0\n") +
         (row.pressure ? "" : "[pressure]\nenabled = false\n");
}

void fill_cache(const PanbodProcess& daemon, WirePeer& admin) {
  Client client("filling", daemon.socket_path());
  std::vector<panbo_bo*> bos;
  for (uint64_t bytes = 0; bytes < kCached; bytes += kBo) bos.push_back(client.alloc(kBo));
  for (panbo_bo* bo : bos) client.release(bo);
  await("the cache is full", [&] { return admin.stats().ready().bytes() >= kCached; });
}

std::string first_signal(const Row& row, const PanbodProcess& daemon) {
  const std::string log = daemon.log();
  constexpr std::string_view kPressure = "memory pressure: ";
  if (const size_t at = log.find(kPressure); at != std::string::npos) {
    return "PSI " + log.substr(at + kPressure.size(), 4);
  }
  return row.headroom ? "headroom" : "the kernel's ENOMEM";
}

Outcome run(const Row& row) {
  drop_caches();
  const PanbodProcess daemon("panfrost", settings(row));
  WirePeer admin(daemon.admin_socket_path());
  fill_cache(daemon, admin);
  std::optional<FileReader> reader;
  if (row.page_cache) reader.emplace("/panbo-page-cache", kFile);

  Outcome outcome;
  const uint64_t kills_before = oom_kills();
  Allocating allocating(daemon.socket_path());
  MemoryHog hog(meminfo("MemAvailable") + kNeeded, row.pace);
  const auto limit = std::chrono::steady_clock::now() + kLongest;
  while (hog.state() == MemoryHog::State::kTaking && std::chrono::steady_clock::now() < limit) {
    const uint64_t taken = hog.taken();
    outcome.left_cached = admin.stats().ready().bytes();
    // What the allocating client has is not in the cache.
    if (outcome.signal_at == 0 && outcome.left_cached + kMiB < kCached) {
      outcome.signal = first_signal(row, daemon);
      outcome.signal_at = taken;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  outcome.hog = hog.state();
  outcome.oom_kills = oom_kills() - kills_before;
  outcome.pace = hog.pace();
  outcome.left_cached = admin.stats().ready().bytes();
  allocating.stop();
  outcome.asked = allocating.asked();
  outcome.failed = allocating.failed();
  return outcome;
}

std::vector<Row> rows(bool all) {
  std::vector<Row> rows;
  for (const auto& [headroom, pressure] : {std::pair(true, true), {false, true}, {true, false}, {false, false}}) {
    for (const bool page_cache : {false, true}) {
      for (const uint64_t pace : {uint64_t{0}, 200 * kMB, 50 * kMB}) {
        const bool shipped = headroom && pressure;
        const bool control = !headroom && !pressure && !page_cache && pace == 0;
        if (all || shipped || control) rows.push_back({headroom, pressure, pace, page_cache});
      }
    }
  }
  return rows;
}

std::string describe(const Row& row, const Outcome& outcome) {
  const auto on = [](bool on) { return on ? "on" : "off"; };
  const char* end = outcome.hog == MemoryHog::State::kKilled ? "**killed**"
                    : outcome.hog == MemoryHog::State::kDone ? "had it all"
                                                             : "not done";
  const std::string signal =
      outcome.signal_at == 0 ? outcome.signal : fmt::format("{}, at {} MiB", outcome.signal, outcome.signal_at / kMiB);
  return fmt::format("| {} | {} | {} | {} ({}) | {} | {} | {} of {} | {} |\n", on(row.headroom), on(row.pressure),
                     row.page_cache ? "450 MiB" : "hardly any",
                     row.pace == 0 ? "full speed" : fmt::format("{} MB/s", row.pace / kMB), outcome.pace / kMB, end,
                     outcome.left_cached / kMiB, outcome.failed, outcome.asked, signal);
}

/// Empty: it is as it must be.
std::string complaint(const Row& row, const Outcome& outcome) {
  if (row.headroom && row.pressure) {
    if (outcome.hog != MemoryHog::State::kDone) return "the hog did not get what it wanted";
    if (outcome.oom_kills > 0) return "a process was killed for want of memory";
    if (outcome.failed > 0) return "allocations failed";
  }
  if (!row.headroom && !row.pressure && !row.page_cache && row.pace == 0 && outcome.hog != MemoryHog::State::kKilled) {
    return "nothing saves the hog, and yet it lives: this is not the experiment that it is meant to be";
  }
  return "";
}

/// Takes all memory that there is once. The emulator gets its own only then, which would make the first row slow.
void warm_up() {
  MemoryHog hog(meminfo("MemAvailable") - 64 * kMiB, 0);
  await("the board has touched its memory", [&hog] { return hog.state() == MemoryHog::State::kDone; });
}

int run_all(bool all) {
  if (meminfo("SwapTotal") != 0) throw std::runtime_error("this is about boards without swap");
  // Nothing of the observer is to be read from the disk again.
  if (::mlockall(MCL_CURRENT | MCL_FUTURE) != 0) throw std::runtime_error("cannot lock the memory");
  warm_up();
  fmt::print(
      "| headroom | PSI | page cache in use | the hog takes (did take, MB/s) | the hog | MiB left cached "
      "| allocations that failed | given back first because of |\n|---|---|---|---|---|---|---|---|\n");
  int status = 0;
  for (const Row& row : rows(all)) {
    const Outcome outcome = run(row);
    fmt::print("{}", describe(row, outcome));
    if (const std::string wrong = complaint(row, outcome); !wrong.empty()) {
      fmt::print("^ {}\n", wrong);
      status = 1;
    }
    std::fflush(stdout);
  }
  return status;
}

}  // namespace
}  // namespace panbo::test

int main() {
  try {
    const char* which = std::getenv("PANBO_HOG");
    return panbo::test::run_all(which != nullptr && std::string_view(which) == "all");
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
