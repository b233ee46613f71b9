// One client's lease table (proto/lease_table.h) as the daemon sees it: which lease has which word, and since when it
// has been unused.
//
// Nothing in the table is believed. Which slots belong to leases, and which leases were taken, is written here, and
// what the client does to the words changes neither.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "daemon/core/bo_pool.h"
#include "daemon/core/clock.h"
#include "daemon/core/ids.h"
#include "daemon/core/stats.h"
#include "proto/lease_table.h"

namespace panbo {

class LocalLeases {
 public:
  /// A lease that the client keeps unused.
  struct Unused {
    BoId bo;
    uint64_t bytes = 0;
    uint32_t slot = 0;
    Time since{};
  };

  /// `table` is the client's, too, and must outlive this.
  explicit LocalLeases(std::span<LeaseWord> table) : table_(table) {}

  [[nodiscard]] bool has_room() const { return !free_slots_.empty() || index_of_slot_.size() < table_.size(); }
  /// Gives a lease a word that says InUse, or Unused. Returns its slot; 0 if all are taken.
  [[nodiscard]] uint32_t add(BoId bo, uint64_t bytes, LeaseUse use, Time now);

  /// The lease ends. Returns what that means for its BO.
  LeaseEnd remove(uint32_t slot);

  /// Somebody looks at the table now and then: there is, or was lately, something unused.
  [[nodiscard]] bool watched() const { return watched_; }
  /// The client says that something is unused. The next scan will see.
  void client_says_unused() { watched_ = true; }
  /// Ends watching, after a look(), if nothing is unused and nothing was used and freed since the last call.
  void rest(Time now);

  /// Reads every lease's word, and notes since when those that are unused have been so. Watches if it finds one.
  void look(Time now);
  /// What the last look() found, in no order.
  void append_unused(std::vector<Unused>& out) const;

  /// Takes a lease that a look() found unused. False: the client has used it since.
  [[nodiscard]] bool take(uint32_t slot, AfterRelease after, Time now);

  /// What is unused at this moment. Notes nothing.
  [[nodiscard]] Amount unused() const;

  /// Taken and not given back: those taken after `time`, or all.
  [[nodiscard]] Amount taken_after(Time time) const;
  [[nodiscard]] const Amount& taken() const { return taken_; }
  /// When the first of those was taken, if there are any.
  [[nodiscard]] std::optional<Time> first_taken() const;

 private:
  struct Entry {
    BoId bo;
    uint64_t bytes = 0;
    uint32_t slot = 0;
    /// The word as it was last seen.
    uint32_t seen = 0;
    /// When it was first seen so; of a lease that was taken, when that was.
    Time since{};
    bool taken = false;
    LeaseEnd end;
  };

  void watch();
  [[nodiscard]] LeaseWord& word(const Entry& entry) const { return table_[entry.slot]; }
  [[nodiscard]] static bool is_unused(const Entry& entry) {
    return !entry.taken && lease_use(entry.seen) == LeaseUse::kUnused;
  }

  const std::span<LeaseWord> table_;
  /// In no order.
  std::vector<Entry> entries_;
  /// Where in entries_ the lease of a slot is.
  std::vector<uint32_t> index_of_slot_{0};
  std::vector<uint32_t> free_slots_;
  Amount taken_;
  bool watched_ = false;
  /// A word has changed since the last rest().
  bool active_ = false;
};

}  // namespace panbo
