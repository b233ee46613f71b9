// The whole service under virtual time: clients that come, go, crash and misbehave, jobs, a device that fails, a board
// that runs out of memory. A seed decides everything; the same seed is the same run.
//
// After every step all rules are checked that can be (check.cpp); at the end everybody leaves, time passes, and
// nothing may be left.
#pragma once

#include <functional>
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

/// A board's memory. To look at it takes the daemon a moment, in which clients go on.
class BusyMemory : public FakeMemory {
 public:
  [[nodiscard]] uint64_t available() const override {
    if (on_look) on_look();
    return bytes;
  }
  std::function<void()> on_look;
};

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

class World {
 public:
  /// `trace`, if not null, gets a line for every step; it must outlive the world.
  World(uint64_t seed, std::ostream* trace);
  ~World() { memory_.on_look = nullptr; }

  /// Throws Violation.
  void run(int steps);

  /// Of the run, once it has ended.
  [[nodiscard]] const Coverage& coverage() const { return coverage_; }

 private:
  void step();
  void settle();
  void come_to_rest();
  void count(const Stats& stats);
  /// BOs in stock, and how many there are to be.
  uint64_t stocked();
  [[nodiscard]] uint64_t wanted_stock() const;

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
  void free_locally();
  void use_locally();
  void scribble();
  void say_unused();
  void answer_bell();
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
  void check_local(const Stats& stats);
  void check_quotas(const Stats& stats);
  void check_bytes(const Stats& stats, const Cost& charged);
  void forget(SimClient* client);
  void clients_catch_up();
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
  BusyMemory memory_;
  FakeWorker worker_;
  Facts facts_;
  ServiceOptions options_;
  std::optional<Service> service_;
  /// One of each user, which only keeps the user's account in sight.
  std::vector<std::unique_ptr<SimClient>> observers_;
  std::vector<std::unique_ptr<SimClient>> clients_;
};

}  // namespace panbo::sim
