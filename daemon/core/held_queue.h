// The Held BOs: which one to look at next. No kernel interface tells when somebody drops a reference, so all that can
// be done is to look again: now and then, and at once when somebody lacks memory.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "daemon/core/clock.h"
#include "daemon/core/ids.h"
#include "daemon/core/indexed_heap.h"
#include "daemon/core/intrusive_list.h"

namespace panbo {

struct HeldBo {
  BoId id;
  /// Who is charged for it.
  UserId user;
  /// Of memory.
  uint64_t bytes = 0;
  /// Since when it has been held.
  Time since{};
};

/// Knows ids and times only, never reads a clock. Every operation is O(log n), but for take_for().
class HeldQueue {
 public:
  /// The pauses before a BO is looked at again (BoPoolOptions).
  HeldQueue(Duration shortest_pause, Duration longest_pause)
      : shortest_pause_(shortest_pause), longest_pause_(longest_pause) {}

  /// The BO was looked at just now, and is held.
  void add(const HeldBo& bo, Time now);

  // Each of these takes one BO out. Whoever looks at it and finds that it is still held adds it again.

  /// One whose pause is over. The users take turns, and a user who has had 2,000 looks in a second waits, however many
  /// BOs it holds. Returns nullopt if there is none.
  [[nodiscard]] std::optional<HeldBo> take_due(Time now);

  /// One to look at because `asker` lacks memory: the asker's own first, then those of the users who hold the most
  /// bytes, the one first that has not been looked at for longest. None of others that was looked at in the last
  /// millisecond, and none of its own that was looked at at `now`.
  /// Looks at the BOs of others count as theirs. Passes over at most 64 users. Returns nullopt if it has found none.
  [[nodiscard]] std::optional<HeldBo> take_for(UserId asker, Time now);
  /// Whether take_for() would return one.
  [[nodiscard]] bool has_for(UserId asker, Time now) const { return find_for(asker, now) != nullptr; }

  /// Of the user who holds the most BOs, the one whose pause ends last: the one that has been held longest, give or
  /// take a pause. There must be one.
  [[nodiscard]] HeldBo take_longest_held();

  /// take_due() returns nothing before. Returns nullopt if nothing is held.
  [[nodiscard]] std::optional<Time> next_deadline() const;

  [[nodiscard]] size_t size() const { return size_; }

 private:
  struct Entry {
    HeldBo bo;
    Time due{};
    Time looked{};
    ListHook<Entry> in_looks;
  };
  struct User {
    UserId id;
    uint64_t bytes = 0;
    /// By when to look next.
    std::map<std::pair<Time, BoId>, Entry> by_due;
    /// In the order of the last looks.
    IntrusiveList<Entry, &Entry::in_looks> by_look;
    /// How many looks there have been since that time.
    int looks = 0;
    Time looks_since{};
    /// When it had its turn, and how many turns there had been before that.
    Time last_turn{};
    uint64_t turns_before = 0;
    /// When it is its turn.
    Time turn{};
    size_t rank_by_turn = 0;
    size_t rank_by_count = 0;
  };
  struct IsSooner {
    bool operator()(const User& a, const User& b) const {
      return a.turn != b.turn ? a.turn < b.turn : a.turns_before < b.turns_before;
    }
  };
  struct HoldsMore {
    bool operator()(const User& a, const User& b) const { return a.by_due.size() > b.by_due.size(); }
  };

  [[nodiscard]] Duration pause_of(const HeldBo& bo, Time now) const;
  [[nodiscard]] static bool may_be_looked_at(const User& user, Time now);
  static void count_look(User& user, Time now);
  [[nodiscard]] const User* find_for(UserId asker, Time now) const;
  void update(User& user);
  HeldBo take(User& user, const Entry& entry);

  const Duration shortest_pause_;
  const Duration longest_pause_;
  /// Has nobody who holds nothing.
  std::unordered_map<UserId, User> users_;
  IndexedHeap<User, &User::rank_by_turn, IsSooner> by_turn_;
  IndexedHeap<User, &User::rank_by_count, HoldsMore> by_count_;
  std::set<std::pair<uint64_t, UserId>> by_bytes_;
  size_t size_ = 0;
  uint64_t turns_ = 0;
};

}  // namespace panbo
