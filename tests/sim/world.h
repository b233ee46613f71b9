// The whole service under virtual time: clients that come, go, crash and misbehave, jobs, a device that fails, a board
// that runs out of memory. A seed decides everything; the same seed is the same run.
//
// After every step all rules are checked that can be (check.cpp); at the end everybody leaves, time passes, and
// nothing may be left.
#pragma once

#include <memory>
#include <optional>
#include <ostream>
#include <vector>

#include "daemon/service/service.h"
#include "tests/sim/random.h"
#include "tests/sim/sim_client.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_device.h"
#include "tests/support/fake_memory.h"
#include "tests/support/fake_worker.h"

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
};

class World {
 public:
  /// `trace`, if not null, gets a line for every step; it must outlive the world.
  World(uint64_t seed, std::ostream* trace);

  /// Throws Violation.
  void run(int steps);

  /// Of the run, once it has ended.
  [[nodiscard]] const Coverage& coverage() const { return coverage_; }

 private:
  void step();
  void settle();
  void come_to_rest();
  void count(const Stats& stats);

  // What can happen, each once.
  void join();
  void leave();
  void misbehave();
  void alloc();
  void release();
  void start_job();
  void end_job();
  void keep_reference();
  void drop_reference();
  void device_works();
  void device_fails();
  void kernel_purges();
  void memory_changes();
  void pressure();
  void admin_evicts();
  void time_passes();

  void check();
  void check_device();
  void check_amounts(const Stats& stats);
  void check_quotas(const Stats& stats);
  void check_bytes(const Stats& stats, const Cost& charged);
  void advance_to(Time time);
  void finish_job(uint32_t handle);
  /// A client with a lease, and which lease; nothing if nobody has one.
  std::optional<std::pair<SimClient*, size_t>> some_lease();
  /// One of the device's BOs for which `matches`; nothing if there is none.
  template <class Predicate>
  std::optional<uint32_t> some_bo(Predicate matches);
  SimClient* some_client();
  AllocItem some_item();
  void note(const std::string& what);

  Random random_;
  std::ostream* trace_;
  Coverage coverage_;
  int steps_ = 0;
  FakeClock clock_;
  FakeDevice device_;
  FakeMemory memory_;
  FakeWorker worker_;
  Facts facts_;
  ServiceOptions options_;
  std::optional<Service> service_;
  /// One of each user, which only keeps the user's account in sight.
  std::vector<std::unique_ptr<SimClient>> observers_;
  std::vector<std::unique_ptr<SimClient>> clients_;
};

}  // namespace panbo::sim
