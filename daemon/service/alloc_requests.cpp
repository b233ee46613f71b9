// A request that waits is tried again whenever the pool has new supplies, those who came first before the others:
// first each takes what is ready and fits, then the whole ladder is tried, so that a large request does not evict what
// a small one could have had. After one found no memory only smaller ones are tried: the kernel is not asked again for
// what it has not got. One that found no room in its quota says nothing about the others. While the worker is at a
// request that had waited, no other gets the whole ladder, for the same reason.
//
// What a request that waits evicts and gives back while it is tried again is no new supply: it would be tried again
// for its own sake, for ever. Only what others release, and what a first try leaves behind, is.
//
// What is asked back comes as the Release of a client, which is a supply like any other. How much that is depends on
// what was in the way: so many bytes of a quota, of the budget or of the board's memory, or, when it was the kernel
// that said no, everything. Less than what is missing is never taken, it would help nobody. While requests wait that is
// looked at again with every scan of the tables, because a client that frees into its own cache tells nobody.
//
// An open request is shared by the list it waits in and by the BOs that the worker makes for it. One that ends while
// the worker is busy leaves its BOs there as nobody's; they go to the cache when they come.

#include "daemon/service/alloc_requests.h"

#include <algorithm>

namespace panbo {

struct AllocRequests::Open {
  Asker asker;
  std::vector<Demand> demands;
  /// Nothing: the caller does not wait.
  std::optional<Time> deadline;
  /// Until then it waits for what was asked back, whatever its caller says. Nothing: nothing was asked back.
  std::optional<Time> grace;
  /// Until then it waits, too: for that scan of the tables to be completed. 0: no scan was needed yet.
  uint64_t scan = 0;
  bool scanning = false;
  /// Why it was not served last time.
  Errno error{};
  uint64_t arrival = 0;
  bool has_waited = false;
  /// As far as it came in this attempt.
  std::vector<Loan> loans;
  /// How many of the loans are pending.
  size_t pending = 0;
  /// For one open request.
  Charge charge;

  /// Bytes of memory that it needs.
  [[nodiscard]] uint64_t memory() const {
    uint64_t sum = 0;
    for (const Demand& demand : demands) sum += BoKey{.kind = demand.kind, .size = demand.size}.memory();
    return sum;
  }
  /// When it is over, unless something else ends it before.
  [[nodiscard]] Time end() const {
    if (scanning && !deadline) return Time::max();
    return std::max(deadline.value_or(Time::min()), grace.value_or(Time::min()));
  }
};

/// While it lives: the supplies of a request that waits are its own.
class AllocRequests::OwnSupplies {
 public:
  OwnSupplies(AllocRequests& requests, const Open& open)
      : requests_(requests), open_(open), before_(requests.pool_.supplies()) {}
  ~OwnSupplies() {
    if (open_.has_waited) requests_.supplies_seen_ += requests_.pool_.supplies() - before_;
  }

 private:
  AllocRequests& requests_;
  const Open& open_;
  const uint64_t before_;
};

AllocRequests::AllocRequests(Allocator& allocator, BoPool& pool, LocalCache& local, AllocListener& listener)
    : allocator_(allocator), pool_(pool), local_(local), listener_(listener) {
}

AllocRequests::~AllocRequests() = default;

void AllocRequests::start(const Asker& asker, std::vector<Demand> demands, Duration timeout, Time now) {
  auto open = std::make_shared<Open>();
  open->asker = asker;
  open->demands = std::move(demands);
  open->arrival = ++next_arrival_;
  if (timeout > Duration::zero()) open->deadline = now + std::min(timeout, Time::max() - now);
  auto charge = Charge::take(open->demands.front().account, {.requests = 1});
  if (!charge) {
    listener_.failed(open->asker, open->demands, charge.error());
    return;
  }
  open->charge = *std::move(charge);
  const OwnSupplies own(*this, *open);
  if (const auto tried = attempt(open, Ladder::kWhole, now); !tried) attempt_failed(open, tried.error(), now);
}

void AllocRequests::cancel_client(ClientId client, Time now) {
  std::vector<OpenPtr> cancelled;
  for (const auto& [bo, creating] : creating_) {
    const OpenPtr& open = creating.open;
    if (open != nullptr && open->asker.client == client) cancelled.push_back(open);
  }
  for (const OpenPtr& open : cancelled) give_back(open, now);
  std::erase_if(waiting_, [client](const OpenPtr& open) { return open->asker.client == client; });
}

void AllocRequests::on_created(BoId id, const Result<DeviceBo>& result, Time now) {
  const auto found = creating_.find(id);
  const Creating creating = std::move(found->second);
  creating_.erase(found);
  const OpenPtr& open = creating.open;
  Bo& bo = *pool_.find(id);
  if (open == nullptr) {
    const uint64_t before = pool_.supplies();
    allocator_.created_unwanted(bo, result, now);
    if (!creating.is_supply) supplies_seen_ += pool_.supplies() - before;
    return;
  }
  const OwnSupplies own(*this, *open);
  remove_pending(open);
  const auto loan = allocator_.created(bo, result, now);
  if (!loan) {
    std::erase_if(open->loans, [&bo](const Loan& l) { return l.bo == &bo; });
    attempt_failed(open, loan.error(), now);
  } else if (loan->pending()) {
    add_pending(id, open);
  } else {
    finish_if_complete(open);
  }
}

void AllocRequests::serve_waiting(Time now) {
  if (pool_.supplies() == supplies_seen_) return;
  serve_waiting(Ladder::kReadyOnly, now);
  serve_waiting(Ladder::kWhole, now);
  supplies_seen_ = pool_.supplies();
}

void AllocRequests::serve_waiting(Ladder ladder, Time now) {
  uint64_t too_much = UINT64_MAX;
  for (auto waiting = waiting_.begin(); waiting != waiting_.end();) {
    const OpenPtr open = *waiting;
    if (ladder == Ladder::kWhole && creating_after_wait_ > 0) return;
    if (ladder == Ladder::kWhole && open->memory() >= too_much) {
      ++waiting;
      continue;
    }
    const auto tried = attempt(open, ladder, now);
    if (tried) {
      waiting = waiting_.erase(waiting);
      continue;
    }
    give_back(open, now);
    if (tried.error() == Errno{ENOMEM}) too_much = std::min(too_much, open->memory());
    if (ladder == Ladder::kReadyOnly || may_wait(*open, tried.error(), now)) {
      ++waiting;
    } else {
      waiting = waiting_.erase(waiting);
      listener_.failed(open->asker, open->demands, tried.error());
    }
  }
}

std::optional<Time> AllocRequests::next_deadline() const {
  std::optional<Time> next;
  for (const OpenPtr& open : waiting_) {
    if (!open->scanning || open->deadline) next = earlier(next, open->end());
  }
  return next;
}

void AllocRequests::tick(Time now) {
  for (auto waiting = waiting_.begin(); waiting != waiting_.end();) {
    const OpenPtr open = *waiting;
    if (open->end() > now) {
      ++waiting;
      continue;
    }
    waiting = waiting_.erase(waiting);
    listener_.failed(open->asker, open->demands, open->deadline ? Errno{ETIMEDOUT} : open->error);
  }
}

// On success the request is granted, or the worker is at it.
Result<void> AllocRequests::attempt(const OpenPtr& open, Ladder ladder, Time now) {
  open->loans.reserve(open->demands.size());
  for (const Demand& demand : open->demands) {
    const auto loan =
        ladder == Ladder::kWhole ? allocator_.allocate(demand, now) : allocator_.allocate_ready(demand, now);
    if (!loan) return loan.error();
    open->loans.push_back(*loan);
    if (loan->pending()) add_pending(loan->bo->id, open);
  }
  finish_if_complete(open);
  return {};
}

void AllocRequests::attempt_failed(const OpenPtr& open, Errno error, Time now) {
  give_back(open, now);
  if (!may_wait(*open, error, now)) {
    listener_.failed(open->asker, open->demands, error);
    return;
  }
  open->has_waited = true;
  const auto later = std::find_if(waiting_.rbegin(), waiting_.rend(),
                                  [&open](const OpenPtr& other) { return other->arrival < open->arrival; });
  waiting_.insert(later.base(), open);
}

bool AllocRequests::may_wait(Open& open, Errno error, Time now) {
  const bool may_pass =
      error == Errno{ENOMEM} || error == Errno{ENOSPC} ||
      (error == Errno{EDQUOT} && open.demands.front().account->can_ever_hold(allocator_.cost_of(open.demands)));
  if (!may_pass) return false;
  open.error = error;
  return ask_back(open, now) != AskBack::kNothing || open.deadline;
}

void AllocRequests::ask_back(Time now) {
  for (auto waiting = waiting_.begin(); waiting != waiting_.end();) {
    const OpenPtr open = *waiting;
    const bool was_scanning = open->scanning;
    const AskBack answer = ask_back(*open, now);
    if (!was_scanning || answer != AskBack::kNothing || open->deadline) {
      ++waiting;
      continue;
    }
    waiting = waiting_.erase(waiting);
    // What it needs may have become free while the tables were looked at.
    if (const auto tried = attempt(open, Ladder::kWhole, now); !tried) {
      give_back(open, now);
      listener_.failed(open->asker, open->demands, tried.error());
    }
  }
}

AskBack AllocRequests::ask_back(Open& open, Time now) {
  const Account& account = *open.demands.front().account;
  open.scanning = false;
  Need need{.asker = &account, .request = open.arrival, .scan = open.scan};
  if (open.error == Errno{EDQUOT}) {
    const Cost cost = allocator_.cost_of(open.demands);
    need.account = account.full_for(cost);
    if (need.account == nullptr) return AskBack::kNothing;
    const Cost missing = need.account->missing_for(cost);
    // What can be unused takes as many bytes of memory as of addresses.
    need.bytes = std::max(missing.bytes, missing.addresses);
    need.bos = missing.bos;
  } else {
    need.bytes = allocator_.missing(open.demands);
    if (need.bytes == 0) need.bytes = open.memory();
  }
  const AskBack answer = local_.ask_back(need, now);
  open.scanning = answer == AskBack::kScanning;
  if (open.scanning && open.scan == 0) open.scan = local_.next_scan();
  if (answer == AskBack::kComing && !open.grace) open.grace = now + local_.options().grace;
  return answer;
}

void AllocRequests::give_back(const OpenPtr& open, Time now) {
  for (const Loan& loan : open->loans) {
    if (loan.pending()) {
      creating_.at(loan.bo->id) = {.open = nullptr, .is_supply = !open->has_waited};
      remove_pending(open);
    } else {
      pool_.take_back_unsent(*loan.bo, now);
    }
  }
  open->loans.clear();
}

void AllocRequests::finish_if_complete(const OpenPtr& open) {
  if (open->pending > 0 || open->loans.size() < open->demands.size()) return;
  listener_.granted(open->asker, open->demands, open->loans, open->has_waited);
  open->loans.clear();
}

void AllocRequests::add_pending(BoId bo, const OpenPtr& open) {
  creating_.emplace(bo, Creating{.open = open});
  ++open->pending;
  if (open->has_waited) ++creating_after_wait_;
}

void AllocRequests::remove_pending(const OpenPtr& open) {
  --open->pending;
  if (open->has_waited) --creating_after_wait_;
}

}  // namespace panbo
