// The BOs that a client has: those that its program uses, and those that are kept for it.
#pragma once

#include <list>
#include <mutex>
#include <span>

#include "client/include/panbo.h"
#include "client/lib/bo.h"
#include "client/lib/codec.h"
#include "client/lib/local_cache.h"

namespace panbo {

/// Thread-safe, except for construction and destruction. The lock is held for a few instructions at a time where
/// nothing but the program waits, and no syscall is made with it. What is removed the caller lets die.
class BoList {
 public:
  /// Keeps up to so many BOs.
  explicit BoList(size_t max_kept) : max_kept_(max_kept) {}

  /// Makes `count` BOs that belong to no list yet. Throws std::bad_alloc.
  static std::list<panbo_bo> make(Client& owner, size_t count);

  /// Takes BOs over that the program uses from now on, as they are.
  void add(std::list<panbo_bo>& granted);

  /// Takes BOs over that came Unused. Those that the daemon has taken back already stay with the caller.
  void add_unused(std::list<panbo_bo>& extras);

  /// A kept BO for the program, of the class or, if there is none, less than twice as large. nullptr: there is none.
  /// `maybe_busy` is written: whether a job may use it.
  panbo_bo* use_kept(uint32_t kind, uint64_t size_class, uint64_t page_size, bool& maybe_busy);
  /// What use_kept() gave is busy. True: the daemon has to be told that there are unused leases.
  [[nodiscard]] bool put_back(panbo_bo& bo);

  struct Kept {
    bool done = false;
    /// The daemon has to be told that there are unused leases.
    bool wake = false;
    /// There are more than can be kept now.
    bool in_excess = false;
  };
  /// Keeps what the program does not use any longer. Not done: its session is over, and it is still the program's.
  Kept keep(panbo_bo& bo, bool idle);

  /// The one that has been kept longest, if there still are too many.
  [[nodiscard]] std::list<panbo_bo> remove_excess();

  /// `items` found nothing here. Finds the bins for their BOs, or makes them, and writes how many more to ask for with
  /// each item. Throws std::bad_alloc.
  void plan(std::span<codec::AllocItem> items, std::span<LocalBin*> bins, uint64_t page_size);

  /// One that the program used.
  [[nodiscard]] std::list<panbo_bo> remove(panbo_bo& bo);
  /// Kept ones that the daemon has taken. Their bins ask for no more than needed for a while.
  [[nodiscard]] std::list<panbo_bo> remove_taken();
  /// Kept ones whose session is over.
  [[nodiscard]] std::list<panbo_bo> remove_orphans();
  /// All kept ones, and likewise.
  [[nodiscard]] std::list<panbo_bo> remove_kept();
  /// Those that the program uses, too.
  [[nodiscard]] std::list<panbo_bo> remove_all();

  /// `count` BOs were asked for and not got.
  void count_failed(size_t count);

  /// struct_size and reserved are 0.
  [[nodiscard]] panbo_stats stats() const;

  /// As Connection::at_rest().
  [[nodiscard]] bool at_rest() const;

 private:
  void count_in(const panbo_bo& bo);
  void count_out(const panbo_bo& bo);

  const size_t max_kept_;
  mutable std::mutex mutex_;
  std::list<panbo_bo> in_use_;
  LocalCache cache_;
  /// Were kept until the program wanted them, and turned out to be the daemon's. It has rung the bell, or will.
  std::list<panbo_bo> taken_;
  panbo_stats stats_{};
};

}  // namespace panbo
