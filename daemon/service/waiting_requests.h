// The requests in Waiting: who they are, until when they wait, and whom an event may help.
//
// Nothing is lent to find out whether a request could be served. An event wakes users, not requests: the user whose
// quota was given back, or every user whose smallest waiting request fits into the quota or memory that there is now. A
// woken user's requests are then compared with quota and memory, in the order in which they came, in pieces, at that
// user's turns. So an event costs as much as there are users who wait, and what a user has waiting costs nobody else
// anything.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <unordered_map>

#include "daemon/core/budget.h"
#include "daemon/service/open_request.h"

namespace panbo {

/// Decides about a request that waits.
class Reconsider {
 public:
  virtual ~Reconsider() = default;
  /// What it needs may be there. The request may leave Waiting during the call, or be gone after it.
  virtual void reconsider(OpenRequest& request, Time now) = 0;
};

class WaitingRequests : private QuotaListener {
 public:
  /// Both must outlive this.
  WaitingRequests(Turns& turns, Reconsider& reconsider) : turns_(turns), reconsider_(reconsider) {}
  ~WaitingRequests() override;
  WaitingRequests(const WaitingRequests&) = delete;
  WaitingRequests& operator=(const WaitingRequests&) = delete;

  /// The request is borrowed until remove(). Its error says what it waits for: EDQUOT the account that is full,
  /// anything else memory.
  void add(OpenRequest& request);
  void remove(OpenRequest& request);

  [[nodiscard]] bool empty() const { return ends_.empty(); }
  /// The account whose quota a request that waits is waiting for; nullptr: it waits for memory.
  [[nodiscard]] const Account* waits_for(const OpenRequest& request) const {
    const auto found = waits_for_.find(&request);
    return found == waits_for_.end() ? nullptr : found->second;
  }
  /// Whether a request of this user waits.
  [[nodiscard]] bool waits(UserId user) const { return users_.contains(user); }

  /// There is more memory than before: wakes the users for whose smallest request `fits` is true.
  template <class Fits>
  void wake_for_memory(Fits fits) {
    for (auto& [id, user] : users_) {
      if (user.least_memory != kNone && fits(user.least_memory)) wake(user);
    }
  }
  /// Wakes everybody.
  void wake_all();

  /// The request whose end comes first; nullptr if none waits.
  [[nodiscard]] OpenRequest* first_to_end() const { return ends_.empty() ? nullptr : ends_.begin()->second; }

 private:
  static constexpr uint64_t kNone = UINT64_MAX;

  /// The requests of one user, as long as there are any.
  struct User final : Turns::Work {
    Piece do_piece(Time now) override { return waiting->look_at(*this, now); }

    WaitingRequests* waiting = nullptr;
    UserId id;
    std::map<uint64_t, OpenRequest*> by_arrival;
    /// At most the memory that the smallest request needs of those that wait for memory; kNone: none does.
    uint64_t least_memory = kNone;
    /// The same, of those that were looked at in this round.
    uint64_t least_seen = kNone;
    /// The next one to look at is the first that came after this one.
    uint64_t cursor = 0;
    /// Something has happened since this round began.
    bool again = false;
  };

  void given_back(Account& account) override;
  void wake(User& user);
  Turns::Work::Piece look_at(User& user, Time now);
  void watch(OpenRequest& request);
  void unwatch(OpenRequest& request);

  Turns& turns_;
  Reconsider& reconsider_;
  std::map<UserId, User> users_;
  /// By their ends, then by arrival.
  std::map<std::pair<Time, uint64_t>, OpenRequest*> ends_;
  /// Those requests of one user that wait for one account.
  struct Waiters {
    size_t count = 0;
    /// Of each resource the least that one of them needs, or less.
    Cost least;
  };
  /// By the account that was full.
  std::unordered_map<const Account*, std::map<UserId, Waiters>> accounts_;
  /// The account that each of those waits for. It lives as long as the request.
  std::unordered_map<const OpenRequest*, Account*> waits_for_;
};

}  // namespace panbo
