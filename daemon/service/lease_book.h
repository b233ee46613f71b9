// What the daemon knows of every lease that has a word in a lease table, of all clients together: whether it is in use,
// unused or taken as of the last look at its word, in order of time, and summed up for everybody whom it counts for.
//
//   in use ◄──► unused ──► taken ──► removed        removed from everywhere
//
// Whatever changes a lease changes the sums and the lists with it, at a cost that does not depend on how many leases
// there are. So nobody ever has to add up, sort or search.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>

#include "daemon/core/bo.h"
#include "daemon/core/budget.h"
#include "daemon/core/clock.h"
#include "daemon/core/stats.h"

namespace panbo {

class LocalLeases;

/// Names a lease of the book; 0 is none. Used again after its lease was removed.
using LeaseRef = uint32_t;

enum class LeaseState : uint8_t { kInUse, kUnused, kTaken };

/// The lists that an unused lease is in. A taken one is in one list of all that were taken.
enum class LeaseList : uint8_t { kOfAll, kOfUser, kOfClient };

struct LeaseRecord {
  struct Link {
    LeaseRef prev = 0;
    LeaseRef next = 0;
  };
  LocalLeases* owner = nullptr;
  uint64_t bytes = 0;
  /// When its word was first seen as it is; of a lease that was taken, when that was.
  Time since{};
  /// Of a lease that was taken: since when it had been unused.
  Time unused_since{};
  /// By LeaseList.
  std::array<Link, 3> links{};
  /// The word as it was last seen.
  uint32_t seen = 0;
  uint16_t slot = 0;
  LeaseState state = LeaseState::kInUse;
  /// Of a lease that was taken: its BO is to be destroyed; and its memory is still counted on.
  bool destroy : 1 = false;
  bool coming : 1 = false;
};
static_assert(sizeof(LeaseRecord) <= 64, "there may be 65,536 of them for each user");

/// What an account holds: that of a client or of a user, one above those, or everybody together.
struct LeaseHolder {
  /// nullptr: everybody together.
  const Account* account = nullptr;
  /// nullptr above everybody.
  std::shared_ptr<LeaseHolder> parent;
  LeaseList list = LeaseList::kOfAll;
  /// In order of arrival, to tell equal ones apart.
  uint64_t number = 0;
  /// How many clients with tables it has.
  uint64_t clients = 0;

  /// In use or unused: no more than that can be unused, whatever the next look finds.
  Amount usable;
  /// As of the last look.
  Amount unused;
  Amount taken;
  /// Of those that were taken: what is still counted on.
  Amount coming;
  /// Of those that are unused: what somebody is about to take.
  Amount wanted;
  /// What requests were told to wait for.
  Amount promised;

  /// Of a client's or a user's unused leases, or everybody's: the longest unused, and the one that was seen last.
  LeaseRef front = 0;
  LeaseRef back = 0;
};

/// Adds to a sum of a holder and of all above it, or subtracts from it.
void add_to(LeaseHolder& holder, Amount LeaseHolder::*sum, const Amount& amount);
void subtract_from(LeaseHolder& holder, Amount LeaseHolder::*sum, const Amount& amount);

class LeaseBook {
 public:
  LeaseBook() = default;

  /// A client with a table comes. `account` is the client's, its parent is the user's, and both stay until close().
  std::shared_ptr<LeaseHolder> open(const Account& account);
  /// The client is gone, and all its leases were removed.
  void close(const std::shared_ptr<LeaseHolder>& client);

  /// The holder of an account; of nullptr, everybody. Returns nullptr if the account has no client with a table.
  [[nodiscard]] std::shared_ptr<LeaseHolder> find(const Account* account) const;
  [[nodiscard]] const LeaseHolder& everybody() const { return *everybody_; }
  /// The user who has most bytes of unused leases; nullptr if nobody has any.
  [[nodiscard]] const LeaseHolder* richest() const { return users_.empty() ? nullptr : *users_.begin(); }

  /// A new lease, whose word is `word`.
  [[nodiscard]] LeaseRef add(LocalLeases& owner, uint16_t slot, uint64_t bytes, uint32_t word, Time now);
  /// A look found a word that is not the one before: of a lease that is not taken.
  void seen(LeaseRef ref, uint32_t word, Time now);
  /// An unused lease was taken.
  void take(LeaseRef ref, AfterRelease after, Time now);
  /// The lease ends. Returns what that means for its BO.
  LeaseEnd remove(LeaseRef ref);

  [[nodiscard]] const LeaseRecord& operator[](LeaseRef ref) const { return records_[ref]; }

  /// Does not count any more on what was taken until `time`, at most `limit` leases of it.
  void expire_coming(Time time, uint64_t limit);
  /// The first taken lease that is still counted on, or not passed by pass_overdue(); 0: none.
  [[nodiscard]] LeaseRef first_coming() const { return coming_; }
  [[nodiscard]] LeaseRef first_overdue() const { return overdue_; }
  /// That one was told of, the next follows.
  void pass_overdue();

 private:
  struct MostUnusedFirst {
    bool operator()(const LeaseHolder* a, const LeaseHolder* b) const {
      return a->unused.bytes != b->unused.bytes ? a->unused.bytes > b->unused.bytes : a->number < b->number;
    }
  };

  std::shared_ptr<LeaseHolder> holder_of(const Account* account, LeaseList list);
  void sum_up(const LeaseRecord& lease, Amount LeaseHolder::*sum, bool more);
  void enter_unused(LeaseRef ref);
  void leave_unused(LeaseRef ref);
  void push_back(LeaseHolder& holder, LeaseList list, LeaseRef ref);
  void unlink(LeaseHolder& holder, LeaseList list, LeaseRef ref);
  [[nodiscard]] LeaseRef after(LeaseRef ref) const { return records_[ref].links[0].next; }

  /// By LeaseRef; the first is nobody's.
  std::deque<LeaseRecord> records_{1};
  /// The first that is free; the others follow by their links.
  LeaseRef free_ = 0;
  const std::shared_ptr<LeaseHolder> everybody_ = std::make_shared<LeaseHolder>();
  std::unordered_map<const Account*, std::shared_ptr<LeaseHolder>> holders_;
  /// Users with unused leases.
  std::set<LeaseHolder*, MostUnusedFirst> users_;
  uint64_t next_number_ = 1;
  /// Only its front and back: the leases that were taken, in order of time.
  LeaseHolder taken_;
  /// Where in that list what is still counted on begins, and what was not told of as overdue.
  LeaseRef coming_ = 0;
  LeaseRef overdue_ = 0;
};

}  // namespace panbo
