// A goal is bounded by what was unused when it was set, not by what its clients do afterwards: each goal tries each
// lease about once, and those that it misses were used, so they are no longer the longest unused.

#include "daemon/service/lease_goals.h"

#include <algorithm>

namespace panbo {
namespace {

uint64_t less(uint64_t a, uint64_t b) {
  return a - std::min(a, b);
}

}  // namespace

const LeaseHolder* whose_goes_first(const LeaseHolder* asker, const LeaseHolder* richest) {
  return asker != nullptr && asker->unused.count > 0 ? asker : richest;
}

bool LeaseGoals::has(const LeaseHolder& holder, const Amount& amount) {
  for (const LeaseHolder* each = &holder; each != nullptr; each = each->parent.get()) {
    if (amount.bytes > less(each->unused.bytes, each->wanted.bytes)) return false;
    if (amount.count > less(each->unused.count, each->wanted.count)) return false;
  }
  return true;
}

void LeaseGoals::add(const std::shared_ptr<LeaseHolder>& from, const Need& need, uint64_t scan) {
  Goal goal{.from = from,
            .asker = user_of(need.asker),
            .bytes = need.bytes,
            .bos = need.bos,
            .counted = {.count = std::min(need.bos, less(from->unused.count, from->wanted.count)),
                        .bytes = std::min(need.bytes, less(from->unused.bytes, from->wanted.bytes))},
            .request = need.request,
            .scan = scan,
            .tries = from->unused.count};
  add_to(*from, &LeaseHolder::wanted, goal.counted);
  Goals& goals = scan == 0 ? due_ : waiting_;
  goals.push_back(std::move(goal));
  if (need.request != 0) of_request_[need.request] = std::prev(goals.end());
}

void LeaseGoals::forget(uint64_t request) {
  const auto found = of_request_.find(request);
  if (found != of_request_.end()) erase(due_, found->second);
  const auto promise = promise_to_.find(request);
  if (promise != promise_to_.end()) erase(promise->second);
}

void LeaseGoals::promise(const std::shared_ptr<LeaseHolder>& from, const Need& need, Time until) {
  promises_.push_back(
      {.from = from, .amount = {.count = need.bos, .bytes = need.bytes}, .request = need.request, .until = until});
  add_to(*from, &LeaseHolder::promised, promises_.back().amount);
  if (need.request != 0) promise_to_[need.request] = std::prev(promises_.end());
}

Amount LeaseGoals::free_coming(const LeaseHolder& holder) {
  // What is still to be taken was promised, too, and is not on its way yet.
  return {.count = less(holder.coming.count, less(holder.promised.count, holder.wanted.count)),
          .bytes = less(holder.coming.bytes, less(holder.promised.bytes, holder.wanted.bytes))};
}

void LeaseGoals::expire_promises(Time now, uint64_t limit) {
  for (; limit > 0 && !promises_.empty() && promises_.front().until <= now; --limit) erase(promises_.begin());
}

void LeaseGoals::scanned(uint64_t scans) {
  while (!waiting_.empty() && waiting_.front().scan <= scans) {
    waiting_.front().tries = waiting_.front().from->unused.count;
    due_.splice(due_.end(), waiting_, waiting_.begin());
  }
}

LeaseRef LeaseGoals::next() const {
  const Goal& goal = due_.front();
  if (goal.from->list != LeaseList::kOfAll) return goal.from->front;
  if (goal.asker == nullptr) return book_.everybody().front;
  const LeaseHolder* user = whose_goes_first(goal.asker.get(), book_.richest());
  return user == nullptr ? 0 : user->front;
}

void LeaseGoals::took(uint64_t bytes) {
  Goal& goal = due_.front();
  --goal.tries;
  goal.bytes = less(goal.bytes, bytes);
  goal.bos = less(goal.bos, 1);
  uncount(goal, {.count = 1, .bytes = bytes});
}

void LeaseGoals::missed() {
  --due_.front().tries;
}

bool LeaseGoals::is_over() const {
  const Goal& goal = due_.front();
  return (goal.bytes == 0 && goal.bos == 0) || goal.tries == 0 || next() == 0;
}

bool LeaseGoals::end() {
  const Goal& goal = due_.front();
  const bool unmet = goal.request != 0 && (goal.bytes > 0 || goal.bos > 0);
  erase(due_, due_.begin());
  return unmet;
}

void LeaseGoals::uncount(Goal& goal, const Amount& amount) {
  const Amount less{.count = std::min(goal.counted.count, amount.count),
                    .bytes = std::min(goal.counted.bytes, amount.bytes)};
  goal.counted.count -= less.count;
  goal.counted.bytes -= less.bytes;
  subtract_from(*goal.from, &LeaseHolder::wanted, less);
}

void LeaseGoals::erase(Goals& goals, Goals::iterator goal) {
  uncount(*goal, goal->counted);
  of_request_.erase(goal->request);
  goals.erase(goal);
}

void LeaseGoals::erase(Promises::iterator promise) {
  subtract_from(*promise->from, &LeaseHolder::promised, promise->amount);
  promise_to_.erase(promise->request);
  promises_.erase(promise);
}

std::shared_ptr<LeaseHolder> LeaseGoals::user_of(const Account* account) const {
  // A client without a table has no holder, but its user may have one.
  if (account == nullptr || account->parent() == nullptr) return nullptr;
  const auto user = book_.find(account->parent());
  return user != nullptr ? user : std::make_shared<LeaseHolder>();
}

}  // namespace panbo
