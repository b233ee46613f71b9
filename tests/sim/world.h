// The whole service under virtual time, on a board: a device whose memory runs out, a worker, other programs, clients.
//
// A world only has the things and the rules. What happens in it is up to a seed (random_run.h) or a script
// (scenarios.h). After every step all rules are checked: check.cpp has those about who has what, rules_waiting.cpp
// and rules_worker.cpp those about who is served, gate.h those about what it costs.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <vector>

#include "tests/sim/board.h"
#include "tests/sim/gate.h"
#include "tests/sim/rules.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_worker.h"
#include "tests/sim/table_memory.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_device.h"

namespace panbo::sim {

struct WorldOptions {
  ServiceOptions service;
  /// Bytes of memory for BOs and other programs.
  uint64_t memory = uint64_t{1} << 40;
  uint64_t arena_limit = kMaxArenas;
  uint64_t arena_size = kArenaBytes;
  /// Lease tables have the size that they have on a board, and what the daemon reads of them is counted.
  bool guarded_tables = false;
};

class World {
 public:
  /// `trace`, if not null, gets a line for every step; it must outlive the world.
  World(const WorldOptions& options, const Rules& rules, std::ostream* trace);
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  virtual ~World();

 protected:
  /// Throws Violation.
  void check();

  SimClient& join(uint32_t uid);
  void forget(SimClient* client);
  /// The clients say and give back what they have to.
  void clients_catch_up();
  /// The clock goes to that time, with a tick at its end.
  void advance_to(Time time);
  void run_turn();
  /// Until everybody had its turns.
  void run_turns();
  /// Until the worker has nothing to do.
  void work_all();
  /// The same in so much time, with a tick whenever the service wants one.
  void pass(Duration time);
  void finish_job(uint32_t handle);
  /// The kernel takes what is evictable.
  void purge();
  /// Jobs end, references go, and the worker works, until the service wants nothing any more.
  void come_to_rest();
  /// Everybody leaves. Nothing is left then.
  void everybody_leaves();
  /// BOs in stock, and how many there are to be.
  uint64_t stocked() { return gate_.stats().stock.count; }
  [[nodiscard]] uint64_t wanted_stock() const;
  void note(const std::string& what);
  virtual void on_forget(const SimClient& /*client*/) {}

  const WorldOptions options_;
  const Rules rules_;
  std::ostream* const trace_;
  int steps_ = 0;
  FakeClock clock_;
  FakeDevice device_;
  Board board_;
  SimWorker worker_;
  Facts facts_;
  TableMemory tables_;
  Gate gate_;
  /// One of each user, which only keeps the user's account in sight.
  std::map<uint32_t, std::unique_ptr<SimClient>> observers_;
  std::vector<std::unique_ptr<SimClient>> clients_;

 private:
  /// Who has what, by the simulation's own arithmetic. What is ready counts as there.
  struct Books {
    std::map<uint32_t, Cost> users;
    std::map<ClientId, Cost> clients;
    /// What the BOs in use count as in the total budget.
    uint64_t budget = 0;
    /// Memory that they take.
    uint64_t memory = 0;
    /// Addresses that are taken of the arena that has most left.
    uint64_t addresses = 0;
    /// What the daemon has charged to all users, where what is under way matters.
    Cost charged;
    /// Users who have something, or ask for it.
    std::set<uint32_t> sharers;
  };

  void check_device();
  void check_amounts(const Stats& stats);
  void check_local(const Stats& stats);
  void check_quotas(const Stats& stats);
  void check_bytes(const Stats& stats, const Cost& charged);

  // rules_waiting.cpp
  enum class Count { kWhatIsThere, kWhatIsComing };
  [[nodiscard]] Books books(Count count) const;
  [[nodiscard]] Cost cost_of_items(const std::vector<AllocItem>& items) const;
  /// Whether the board's quota has so much left for the user, if one resource of it is looked at.
  [[nodiscard]] bool shares(const Books& books, uint32_t uid, const Cost& cost, uint64_t Cost::*resource) const;
  [[nodiscard]] bool fits(const SimClient& client, const std::vector<AllocItem>& items, const Books& books,
                          uint64_t others) const;
  /// What each user has of the last share at least.
  [[nodiscard]] static uint64_t part_of(uint64_t share, const Books& books);
  void add_promises(const SimClient& client, Books& books) const;
  [[nodiscard]] std::string describe(const SimClient& client, const std::vector<AllocItem>& items, Books books) const;
  /// Who it is, and what it waits for; std::nullopt if nobody does, or as long as something is under way.
  [[nodiscard]] std::optional<std::string> waits_for_what_is_there() const;
  void check_waiting();
  void refused(const SimClient& client, const SimClient::Asked& asked, FailureKind kind);

  // rules_worker.cpp
  void check_worker();
  void creation_asked();
  [[nodiscard]] uint64_t purged_bytes() const;

  /// Bytes of BOs that the kernel took, and that the daemon may still count on: it cannot know.
  uint64_t purged_ = 0;
  /// At the end of the last step.
  std::optional<Books> before_;
  /// When nothing was under way for the last time.
  Time quiet_at_{};
  /// SimClient::touches() of all clients, and since when it has been so.
  uint64_t touches_ = 0;
  uint64_t touches_of_gone_ = 0;
  Time touched_{};
};

}  // namespace panbo::sim
