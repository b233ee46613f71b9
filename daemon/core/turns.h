// Users take turns.
//
// Everything the daemon does for somebody is cut into pieces, and each piece has a price. The users who have something
// to do take turns, and a turn ends when its pieces have cost one quantum. So a user's share of the daemon's thread
// does not depend on how many connections, requests or BOs it has, and the others wait for at most one quantum of it,
// and one piece, before it is their turn.
//
// Usage: something that has work to do implements Turns::Work, and is queued with add() at the expense of a user. The
// loop calls run_turn() again and again while idle() is false.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "daemon/core/clock.h"
#include "daemon/core/ids.h"
#include "daemon/core/intrusive_list.h"

namespace panbo {

/// What a piece of work costs. 1 is about one look-up of a BO or of a lease, that is some 100 ns.
using Price = uint32_t;

/// One system call on the device.
inline constexpr Price kDeviceCall = 10;

class Turns {
  struct User;

 public:
  /// What one turn costs, unless the constructor is told otherwise: about 50 us.
  static constexpr Price kQuantum = 500;

  /// Something with work to do. It is queued once at most, and leaves the queue when it dies.
  class Work {
   public:
    struct Piece {
      /// What this piece has cost. 0 counts as 1.
      Price price = 0;
      /// It is to be called again.
      bool more = false;
    };

    Work() = default;
    virtual ~Work();
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;

    /// Does the next piece of the work, which a constant bounds. It may add and remove any work, itself too, and may
    /// destroy any, itself too. If it adds or removes itself, that counts, and not `more`.
    virtual Piece do_piece(Time now) = 0;

    /// It waits for its next piece.
    [[nodiscard]] bool is_queued() const { return hook_.linked(); }

   private:
    friend class Turns;
    /// Nothing unless it is queued or running.
    Turns* turns_ = nullptr;
    /// Nothing unless it is queued.
    User* payer_ = nullptr;
    ListHook<Work> hook_;
  };

  explicit Turns(Price quantum = kQuantum) : quantum_(quantum) {}
  /// What is still queued is forgotten.
  ~Turns();
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;

  /// Queues the work behind the other works of that user. Does nothing if it is queued already, for whomever.
  void add(UserId payer, Work& work);
  /// Takes the work out of the queue. Does nothing if it is not in it.
  void remove(Work& work);

  /// No work is queued.
  [[nodiscard]] bool idle() const { return works_ == 0; }

  /// Gives one user its turn: pieces of its works, in turns too, until they have cost a quantum or there are no more.
  /// May do nothing although there is work, while those who have it pay off what earlier pieces cost too much.
  void run_turn(Time now);

  /// The loop has been busy for so long without looking at what else has happened.
  void busy_for(Duration time) { longest_ = std::max(longest_, time); }
  /// The longest of these times.
  [[nodiscard]] Duration longest() const { return longest_; }

  /// Users that are remembered: who has work, and who has had some a moment ago.
  [[nodiscard]] size_t users() const { return users_.size(); }

 private:
  /// One user who has work, or has had some since it last came to its turn.
  struct User {
    UserId id;
    /// What its pieces may still cost before the others come. Below 0: a debt.
    int64_t credit = 0;
    /// It had no work before, and has not been served since.
    bool is_new = false;
    IntrusiveList<Work, &Work::hook_> works;
    ListHook<User> hook;
  };
  using UserList = IntrusiveList<User, &User::hook>;

  [[nodiscard]] UserList& list_of(const User& user) { return user.is_new ? new_ : old_; }
  void to_the_end(User& user);
  void forget(User& user);
  void serve(User& user, Time now);
  void unlink(Work& work);

  const Price quantum_;
  Duration longest_{};
  size_t works_ = 0;
  std::unordered_map<UserId, User> users_;
  UserList new_;
  UserList old_;
  /// Whose piece is being done; nothing if none is, or if that work was removed or destroyed by it.
  Work* running_ = nullptr;
};

}  // namespace panbo
