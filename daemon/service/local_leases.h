// One client's lease table (proto/lease_table.h) as the daemon sees it: which lease has which word.
//
// Nothing in the table is believed. Which slots belong to leases, and which leases were taken, is written in the
// daemon's own book, and what the client does to the words does not change either.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "daemon/core/clock.h"
#include "daemon/core/ids.h"
#include "daemon/service/lease_book.h"
#include "proto/lease_table.h"

namespace panbo {

class LocalLeases {
 public:
  /// `table` is the client's, too. It and `book` must outlive this. `account` is the client's, its parent the user's.
  LocalLeases(LeaseBook& book, ClientId client, const Account& account, std::span<LeaseWord> table);
  ~LocalLeases() { book_.close(holder_); }
  LocalLeases(const LocalLeases&) = delete;
  LocalLeases& operator=(const LocalLeases&) = delete;

  [[nodiscard]] ClientId client() const { return client_; }
  /// The sums over this client's leases.
  [[nodiscard]] LeaseHolder& holder() const { return *holder_; }

  [[nodiscard]] bool has_room() const { return !free_slots_.empty() || index_of_slot_.size() < table_.size(); }
  /// Gives a lease a word that says InUse, or Unused. Returns its slot; 0 if all are taken.
  [[nodiscard]] uint32_t add(uint64_t bytes, LeaseUse use, Time now);

  /// The lease ends. Returns what that means for its BO.
  LeaseEnd remove(uint32_t slot);

  /// The table is gone. Its leases last until they are removed, and count as used until then.
  void detach();

  /// Scans look at every word: there is, or was lately, something unused.
  [[nodiscard]] bool watched() const { return watched_; }
  /// The client says that something is unused. The next scan will see.
  void client_says_unused() { watched_ = true; }
  /// Whether the table is watched, or should be because the client's message that something is unused is on its way.
  /// Looks at one word.
  [[nodiscard]] bool wants_look();

  /// How many words a look() or rest() looks at.
  [[nodiscard]] uint64_t words() const { return leases_.size(); }
  /// Reads every lease's word, and notes since when those that are unused have been so. Watches if it finds one.
  void look(Time now);
  /// After a look(): nothing is unused, and nothing was used or freed since the last end_scan().
  [[nodiscard]] bool may_rest() const { return watched_ && !active_ && holder_->unused.count == 0; }
  /// Ends watching, and looks once more.
  void rest(Time now);
  /// A scan has passed this table.
  void end_scan() { active_ = false; }

  /// Takes a lease that the last look found unused. Returns false if the client has used it since, which counts as a
  /// look.
  [[nodiscard]] bool take(LeaseRef ref, AfterRelease after, Time now);

 private:
  void watch();

  LeaseBook& book_;
  const ClientId client_;
  /// Empty once it is gone.
  std::span<LeaseWord> table_;
  const std::shared_ptr<LeaseHolder> holder_;
  /// In no order.
  std::vector<LeaseRef> leases_;
  /// Where in leases_ the lease of a slot is.
  std::vector<uint32_t> index_of_slot_{0};
  std::vector<uint32_t> free_slots_;
  bool watched_ = false;
  /// A word has changed since the last end_scan().
  bool active_ = false;
};

}  // namespace panbo
