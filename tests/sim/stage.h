// A world for a script: what a seed would choose is said here.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/random.h"
#include "tests/sim/world.h"

namespace panbo::sim {

inline constexpr uint64_t kPage = 4096;
inline constexpr uint64_t kMiB = uint64_t{1} << 20;
inline constexpr uint64_t kGiB = uint64_t{1} << 30;
/// Two users.
inline constexpr uint32_t kMallory = 1001;
inline constexpr uint32_t kAlice = 1002;

/// So many of the same.
[[nodiscard]] inline std::vector<AllocItem> items(size_t count, uint64_t size, uint32_t flags = 0) {
  return std::vector<AllocItem>(count, AllocItem{.size = size, .flags = flags});
}

/// Long enough for all that a script plays.
inline constexpr Duration kLong = std::chrono::minutes(10);

/// Much memory, and nothing that goes by itself.
[[nodiscard]] inline WorldOptions plain() {
  WorldOptions options;
  options.memory = 64 * kGiB;
  options.service.pool.headroom_share = 0;
  options.service.pool.decay_time = std::chrono::hours(1);
  options.service.on_shortage = [](const Shortage&) {};
  return options;
}

class Stage final : public World {
 public:
  Stage(const WorldOptions& options, const Rules& rules, std::ostream* trace) : World(options, rules, trace) {}

  /// One that has said Hello.
  SimClient& client(uint32_t uid, bool lease_table = false) {
    SimClient& client = join(uid);
    client.hello(lease_table);
    return client;
  }
  /// The client gets all of them, in as many requests as it takes.
  void has(SimClient& client, size_t count, uint64_t size) {
    while (count > 0) {
      const size_t some = std::min<size_t>(count, 64);
      client.alloc(items(some, size), Duration::zero());
      work_all();
      count -= some;
    }
    check();
  }
  /// Whether its last request was granted.
  [[nodiscard]] static bool served(const SimClient& client) {
    return client.last_answer() && std::holds_alternative<GrantedReply>(*client.last_answer());
  }
  void step(const std::string& what) {
    note(what);
    run_turns();
    check();
    ++steps_;
  }

  using World::board_;
  using World::check;
  using World::come_to_rest;
  using World::everybody_leaves;
  using World::finish_job;
  using World::forget;
  using World::pass;
  using World::run_turns;
  using World::work_all;
  FakeDevice& device() { return device_; }
  SimWorker& worker() { return worker_; }
  Gate& gate() { return gate_; }
};

}  // namespace panbo::sim
