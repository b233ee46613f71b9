// While a round goes through a user's requests, the smallest memory that one of them needs is found anew; until the
// round is over the old value stands, which can only be too small, and then wakes the user once in vain.

#include "daemon/service/waiting_requests.h"

#include <algorithm>

namespace panbo {
namespace {

/// Requests that one piece looks at.
constexpr int kPiece = 16;

Cost least_of(const Cost& a, const Cost& b) {
  return {.bytes = std::min(a.bytes, b.bytes),
          .addresses = std::min(a.addresses, b.addresses),
          .bos = std::min(a.bos, b.bos),
          .requests = std::min(a.requests, b.requests),
          .fds = std::min(a.fds, b.fds)};
}

}  // namespace

WaitingRequests::~WaitingRequests() {
  for (const auto& [request, account] : waits_for_) account->set_listener(nullptr);
}

void WaitingRequests::add(OpenRequest& request) {
  const auto [found, added] = users_.try_emplace(request.user());
  User& user = found->second;
  if (added) {
    user.waiting = this;
    user.id = request.user();
  }
  user.by_arrival.emplace(request.arrival, &request);
  ends_.emplace(std::pair(request.end(), request.arrival), &request);
  if (request.error == Errno{EDQUOT}) {
    watch(request);
  } else {
    user.least_memory = std::min(user.least_memory, request.cost.bytes);
    user.least_seen = std::min(user.least_seen, request.cost.bytes);
  }
}

void WaitingRequests::remove(OpenRequest& request) {
  ends_.erase({request.end(), request.arrival});
  unwatch(request);
  const auto user = users_.find(request.user());
  user->second.by_arrival.erase(request.arrival);
  if (user->second.by_arrival.empty()) users_.erase(user);
}

void WaitingRequests::wake_all() {
  for (auto& [id, user] : users_) wake(user);
}

void WaitingRequests::watch(OpenRequest& request) {
  Account* account = request.account()->full_for(request.cost);
  if (account == nullptr) {
    // What was missing has been given back since.
    account = request.account().get();
    wake(users_.at(request.user()));
  }
  waits_for_.emplace(&request, account);
  Waiters& waiters = accounts_[account][request.user()];
  waiters.least = waiters.count == 0 ? request.cost : least_of(waiters.least, request.cost);
  ++waiters.count;
  account->set_listener(this);
}

void WaitingRequests::unwatch(OpenRequest& request) {
  const auto waits = waits_for_.find(&request);
  if (waits == waits_for_.end()) return;
  Account* account = waits->second;
  waits_for_.erase(waits);
  auto& users = accounts_.at(account);
  if (--users.at(request.user()).count == 0) users.erase(request.user());
  if (!users.empty()) return;
  accounts_.erase(account);
  account->set_listener(nullptr);
}

// What is too little for the least that a user waits for helps none of its requests: so a release costs nobody a look
// at all who wait for much more.
void WaitingRequests::given_back(Account& account) {
  for (const auto& [id, waiters] : accounts_.at(&account)) {
    User& user = users_.at(id);
    const Account* child = user.by_arrival.begin()->second->account()->child_below(account);
    if (account.lacking(waiters.least, child).empty()) wake(user);
  }
}

void WaitingRequests::wake(User& user) {
  if (user.cursor != 0) user.again = true;
  turns_.add(user.id, user);
}

Turns::Work::Piece WaitingRequests::look_at(User& user, Time now) {
  if (user.cursor == 0) user.least_seen = kNone;
  const UserId id = user.id;
  Price price = 0;
  for (int i = 0; i < kPiece; ++i) {
    const auto next = user.by_arrival.upper_bound(user.cursor);
    if (next == user.by_arrival.end()) {
      user.least_memory = user.least_seen;
      user.cursor = 0;
      return {price, std::exchange(user.again, false)};
    }
    OpenRequest& request = *next->second;
    user.cursor = request.arrival;
    price += 2;
    reconsider_.reconsider(request, now);
    const auto found = users_.find(id);
    // It was the last one that waited.
    if (found == users_.end() || &found->second != &user) return {price, false};
    const auto still = user.by_arrival.find(user.cursor);
    if (still != user.by_arrival.end() && still->second->error != Errno{EDQUOT}) {
      user.least_seen = std::min(user.least_seen, still->second->cost.bytes);
    }
  }
  return {price, true};
}

}  // namespace panbo
