// A run that a seed decides: the same seed is the same run. Clients come, go, crash and misbehave, jobs start and end,
// the device fails, other programs take memory and give it back; some clients are hostile (hostile.cpp).
#pragma once

#include <utility>

#include "tests/sim/random.h"
#include "tests/sim/world.h"

namespace panbo::sim {

/// How often things happened: a run that never meets a case shows nothing about it.
struct Coverage {
  uint64_t requests = 0;
  uint64_t cached = 0;
  uint64_t fresh = 0;
  uint64_t waited = 0;
  uint64_t failed = 0;
  uint64_t evicted = 0;
  uint64_t purged = 0;
  /// Used again by their clients, and given back because they were taken.
  uint64_t used_again = 0;
  uint64_t given_back = 0;
};

class RandomRun final : private World {
 public:
  RandomRun(uint64_t seed, const Rules& rules, std::ostream* trace);

  /// Throws Violation.
  void run(int steps);

  /// Of the run, once it has ended.
  [[nodiscard]] const Coverage& coverage() const { return coverage_; }

 private:
  RandomRun(Random random, bool hoards, const Rules& rules, std::ostream* trace);
  void step();
  void settle();
  void count(const Stats& stats);
  void on_forget(const SimClient& client) override;

  // What can happen, each once.
  void come();
  void leave();
  void misbehave();
  void alloc();
  void release();
  void start_job();
  void end_job();
  void keep_reference();
  void drop_reference();
  void free_locally();
  void use_locally();
  void scribble();
  void say_unused();
  void answer_bell();
  void turns();
  void device_works();
  void device_fails();
  void kernel_purges();
  void others_change();
  void pressure();
  void admin_evicts();
  void time_passes();

  // What hostile clients do.
  void flood();
  void wait_without_end();
  void ask_and_go();
  void ask_what_never_fits();
  void toggle();
  void hoard();

  /// A client with a lease, and which lease; nothing if nobody has one.
  std::optional<std::pair<SimClient*, size_t>> some_lease();
  /// One of the device's BOs for which `matches`; nothing if there is none.
  template <class Predicate>
  std::optional<uint32_t> some_bo(Predicate matches);
  SimClient* some_client();
  AllocItem some_item();
  std::vector<AllocItem> some_items();

  Random random_;
  Coverage coverage_;
  /// Somebody hoards in this run: such runs are few, since each of their steps is long.
  const bool hoards_;
};

/// What a seed makes of a world.
[[nodiscard]] WorldOptions some_options(Random& random, bool hoards);

}  // namespace panbo::sim
