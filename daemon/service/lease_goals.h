// Which unused leases are to be taken next, and for what: the goals of those who want memory back.
//
// A goal says how much, and from whom. Goals are met one after the other, a few leases at a time. What all of them want
// together is never more than what is there, since each keeps what it is going to take from the others. And what was
// taken for one request is not promised to a second one, as long as the first may wait for it.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>

#include "daemon/core/budget.h"
#include "daemon/core/clock.h"
#include "daemon/service/lease_book.h"

namespace panbo {

inline constexpr uint64_t kEverything = UINT64_MAX;

/// What has to come back, for whom.
struct Need {
  /// Only what is charged to this account helps; nullptr: anything does.
  const Account* account = nullptr;
  /// For administrators and memory pressure kEverything means all that there is; no request needs that.
  uint64_t bytes = 0;
  uint64_t bos = 0;

  // Of a request:

  /// The account of its client. Unused leases of its own user are taken before those of others.
  const Account* asker = nullptr;
  /// A number of its own: what is wanted for it takes the place of what was wanted for it before. 0: it asks once.
  uint64_t request = 0;
  /// 0 when it asks for the first time. Later: LocalCache::next_scan() at the time when it was told kScanning first.
  uint64_t scan = 0;
};

class LeaseGoals {
 public:
  /// `book` must outlive this.
  explicit LeaseGoals(LeaseBook& book) : book_(book) {}

  /// Whether the holder has so much that is unused and that no goal wants.
  [[nodiscard]] static bool has(const LeaseHolder& holder, const Amount& amount);

  /// Wants so much of the holder's, with need.asker and need.request. What is there when the goal's turn comes is
  /// taken, even if it is less. It has no turn before scan number `scan` was completed.
  void add(const std::shared_ptr<LeaseHolder>& from, const Need& need, uint64_t scan);
  /// The request was told to wait for so much of the holder's, until that time.
  void promise(const std::shared_ptr<LeaseHolder>& from, const Need& need, Time until);
  /// How much of what was taken from the holder, and is on its way, was promised to nobody.
  [[nodiscard]] static Amount free_coming(const LeaseHolder& holder);
  /// Nothing is wanted for this request any more, and nothing was promised to it.
  void forget(uint64_t request);
  /// Forgets promises until that time, at most `limit`.
  void expire_promises(Time now, uint64_t limit);
  /// So many scans were completed.
  void scanned(uint64_t scans);

  /// Whether a goal has its turn.
  [[nodiscard]] bool any() const { return !due_.empty(); }
  /// The unused lease to take next for the goal whose turn it is; 0: there is nothing left for it.
  [[nodiscard]] LeaseRef next() const;
  /// That one was taken, and had so many bytes; or its client has used it, so it was not.
  void took(uint64_t bytes);
  void missed();
  /// Whether the goal whose turn it is needs nothing more, or has tried all that there was.
  [[nodiscard]] bool is_over() const;
  /// It is over. Returns whether a request did not get what it wanted.
  bool end();

 private:
  struct Goal {
    std::shared_ptr<LeaseHolder> from;
    /// Whose own leases go first; nullptr: the longest unused, whosever they are.
    std::shared_ptr<LeaseHolder> asker;
    uint64_t bytes = 0;
    uint64_t bos = 0;
    /// What is counted in LeaseHolder::wanted for it.
    Amount counted;
    uint64_t request = 0;
    uint64_t scan = 0;
    /// How many leases it may still try: a client that uses each of its leases just before it is taken is not tried for
    /// ever.
    uint64_t tries = 0;
  };
  using Goals = std::list<Goal>;
  struct Promise {
    std::shared_ptr<LeaseHolder> from;
    Amount amount;
    uint64_t request = 0;
    Time until{};
  };
  using Promises = std::list<Promise>;

  void uncount(Goal& goal, const Amount& amount);
  void erase(Goals& goals, Goals::iterator goal);
  void erase(Promises::iterator promise);
  [[nodiscard]] std::shared_ptr<LeaseHolder> user_of(const Account* account) const;

  LeaseBook& book_;
  /// Those that wait for a scan, in the order of their scans.
  Goals waiting_;
  /// The first one has its turn.
  Goals due_;
  /// Requests' goals. They do not wait for scans.
  std::unordered_map<uint64_t, Goals::iterator> of_request_;
  /// In order of their ends.
  Promises promises_;
  std::unordered_map<uint64_t, Promises::iterator> promise_to_;
};

/// Of whom to take a lease for a request of `asker`'s user: of that user's own as long as it has any unused, then of
/// the user who has most, so that one who has little is taken from last. Returns nullptr if nobody has any.
[[nodiscard]] const LeaseHolder* whose_goes_first(const LeaseHolder* asker, const LeaseHolder* richest);

}  // namespace panbo
