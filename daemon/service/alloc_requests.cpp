// A request is first compared with quota and memory as a whole, by arithmetic alone: what cannot be served lends
// nothing, evicts nothing and has nothing made. Then everything that is ready is lent before anything is evicted, so
// that a request does not evict what it could have had.
//
// What is asked back comes as the Release of a client. How much that is depends on what was in the way: so many bytes
// of a quota, of the budget or of the board's memory; when it was the kernel that said no, as much as the request
// needs.
//
// A request that the kernel refused although there seemed to be room (its memory may be in pieces that do not fit, or a
// limit may be one that we do not know) is tried again when something was supplied since: at once the first time, then
// after a pause that doubles with each refusal.

#include "daemon/service/alloc_requests.h"

#include <algorithm>

namespace panbo {
namespace {

/// A piece ends when it has cost this much.
constexpr Price kPiece = 150;
/// Of the eviction of one BO, which goes to the worker.
constexpr Price kEviction = 4;
/// Of looking at some held BOs, each of which takes several calls.
constexpr Price kLookAtHeld = 64 * kDeviceCall;
/// Looks that one piece of it takes (BoPool::look_at_held()).
constexpr uint64_t kHeldPiece = 32;
/// Requests that one tick ends.
constexpr int kEndPiece = 8;

/// How long a request that the kernel refused is not tried again.
constexpr Duration kFirstPause = std::chrono::milliseconds(1);
constexpr uint32_t kMostDoublings = 6;

/// How often those who wait for memory are compared with what the board has left.
constexpr Duration kLookAgain = std::chrono::milliseconds(100);
constexpr Duration kLookSoon = std::chrono::milliseconds(2);

Duration pause_after(uint32_t refusals) {
  return refusals < 2 ? Duration::zero() : kFirstPause * (1 << std::min(refusals - 2, kMostDoublings));
}

}  // namespace

Turns::Work::Piece OpenRequest::do_piece(Time now) {
  return owner.do_piece(*this, now);
}

AllocRequests::AllocRequests(Allocator& allocator, BoPool& pool, BoardRoom& room, LocalCache& local, Turns& turns,
                             AllocListener& listener)
    : allocator_(allocator),
      pool_(pool),
      room_(room),
      local_(local),
      turns_(turns),
      listener_(listener),
      waiting_(turns, *this) {
}

AllocRequests::~AllocRequests() = default;

Price AllocRequests::start(const Asker& asker, std::vector<Demand> demands, Duration timeout, Time now) {
  auto owned = std::make_unique<OpenRequest>(*this, asker, std::move(demands));
  OpenRequest& request = *owned;
  request.cost = allocator_.cost_of(request.demands);
  request.arrival = ++arrivals_;
  if (timeout > Duration::zero()) request.deadline = now + std::min(timeout, kLongestWait);
  const bool over_quota = !request.account()->can_ever_hold(request.cost);
  if (over_quota || request.cost.bytes > room_.total_max()) {
    listener_.failed(asker, request.demands, Errno{over_quota ? EDQUOT : ENOMEM});
    return kDeviceCall;
  }
  requests_[asker.client].emplace(request.arrival, std::move(owned));
  const UserId user = request.user();
  const auto piece = do_piece(request, now);
  if (piece.more) turns_.add(user, request);
  return piece.price;
}

bool AllocRequests::is_busy(ClientId client) const {
  const auto found = requests_.find(client);
  if (found == requests_.end()) return false;
  return std::any_of(found->second.begin(), found->second.end(),
                     [](const auto& request) { return request.second->is_queued(); });
}

uint64_t AllocRequests::cancel_client(ClientId client) {
  const auto found = requests_.find(client);
  if (found == requests_.end()) return 0;
  uint64_t bos = 0;
  for (auto& [arrival, request] : found->second) {
    bos += request->demands.size();
    if (request->phase == Phase::kWaiting) waiting_.remove(*request);
    request->cancelled = true;
    request->phase = Phase::kGivingBack;
    turns_.add(request->user(), *request);
  }
  return bos;
}

void AllocRequests::on_created(BoId id, const Result<DeviceBo>& result, Time now) {
  const auto found = creating_.find(id);
  OpenRequest* const request = found->second;
  creating_.erase(found);
  Bo& bo = *pool_.find(id);
  if (request == nullptr) {
    allocator_.created_unwanted(bo, result, now);
    // Its memory is there although there is no BO.
    if (!result) wake_for_memory(now);
    return;
  }
  --request->pending;
  const auto loan = allocator_.created(bo, result, request->quota, now);
  if (!loan) {
    const auto lost = std::find_if(request->loans.begin(), request->loans.end(),
                                   [&bo](const Loan& other) { return other.bo == &bo; });
    *lost = {};
    if (request->phase != Phase::kGivingBack) creation_failed(*request, loan.error(), now);
  } else if (loan->pending()) {
    creating_.emplace(id, request);
    ++request->pending;
  }
  if (request->phase != Phase::kAtWorker || request->pending == 0) turns_.add(request->user(), *request);
}

void AllocRequests::wake(Time now) {
  const bool scanned = local_.scans() != scans_seen_;
  if (waiting_.empty() || (pool_.supplies() == supplies_seen_ && !scanned)) {
    supplies_seen_ = pool_.supplies();
    scans_seen_ = local_.scans();
    return;
  }
  supplies_seen_ = pool_.supplies();
  scans_seen_ = local_.scans();
  if (scanned) {
    waiting_.wake_all();
    return;
  }
  wake_for_memory(now);
}

void AllocRequests::wake_for_memory(Time now) {
  if (waiting_.empty()) return;
  waiting_.wake_for_memory([&](uint64_t bytes) { return room_.may_hold(bytes, now); });
  // That was compared with a look at the board's memory that may be a little too old.
  look_again_at_ = earlier(look_again_at_, now + kLookSoon);
}

std::optional<Time> AllocRequests::next_deadline() const {
  const OpenRequest* first = waiting_.first_to_end();
  return first == nullptr ? std::nullopt : earlier(first->end(), look_again_at_);
}

Price AllocRequests::tick(Time now) {
  Price price = 0;
  for (int i = 0; i < kEndPiece; ++i) {
    OpenRequest* request = waiting_.first_to_end();
    if (request == nullptr || request->end() > now) break;
    waiting_.remove(*request);
    price += kDeviceCall;
    fail(*request, request->deadline ? Errno{ETIMEDOUT} : request->error);
  }
  if (look_again_at_ && *look_again_at_ <= now) {
    look_again_at_.reset();
    price += kDeviceCall;
    waiting_.wake_for_memory([&](uint64_t bytes) { return room_.may_hold(bytes, now); });
    if (!waiting_.empty()) look_again_at_ = now + kLookAgain;
  }
  return price;
}

Turns::Work::Piece AllocRequests::do_piece(OpenRequest& request, Time now) {
  Price price = 0;
  while (price < kPiece) {
    if (!do_step(request, price, now)) return {price, false};
  }
  return {price, true};
}

/// False: there is nothing more to do for it now, or it has ended and is gone.
bool AllocRequests::do_step(OpenRequest& request, Price& price, Time now) {
  switch (request.phase) {
    case Phase::kAdmitting:
      admit(request, price);
      return true;
    case Phase::kLending:
      lend(request, price, now);
      return true;
    case Phase::kMakingRoom:
      make_room(request, price, now);
      return true;
    case Phase::kCreating:
      create(request, price, now);
      return true;
    case Phase::kEvictingAll:
      evict_all(request, price, now);
      return true;
    case Phase::kAtWorker:
      if (request.pending > 0) return false;
      grant(request, price);
      return false;
    case Phase::kGivingBack:
      give_back(request, price, now);
      if (request.phase == Phase::kGivingBack) return true;
      if (request.phase != Phase::kWaiting) return true;
      if (request.cancelled) {
        forget(request);
      } else {
        wait_or_fail(request, now);
      }
      return false;
    case Phase::kLookingAtHeld:
      look_at_held(request, price, now);
      if (request.phase != Phase::kWaiting) return true;
      wait_or_fail(request, now);
      return false;
    case Phase::kWaiting:
      return false;
  }
  return false;
}

void AllocRequests::grant(OpenRequest& request, Price& price) {
  const auto ended = forget(request);
  price += listener_.granted(ended->asker, ended->demands, ended->loans, ended->has_waited);
}

void AllocRequests::admit(OpenRequest& request, Price& price) {
  price += kDeviceCall;
  request.loans.assign(request.demands.size(), {});
  request.next = 0;
  request.by_worker = request.evicted_all = false;
  if (request.account()->full_for(request.cost) != nullptr) {
    refuse(request, Errno{EDQUOT});
    return;
  }
  // The quota is charged only when the memory is there: to give it back would wake whoever waits for it.
  request.memory = room_.reserve(request.cost.bytes);
  if (request.memory.bytes() < request.cost.bytes) {
    refuse(request, Errno{ENOMEM});
    return;
  }
  request.quota = Charge::take(request.account(), request.cost).value();
  request.admitted = true;
  request.phase = Phase::kLending;
}

void AllocRequests::lend(OpenRequest& request, Price& price, Time now) {
  if (request.next == request.demands.size()) {
    request.next = 0;
    request.phase = Phase::kMakingRoom;
    return;
  }
  const size_t i = request.next++;
  const Demand& demand = request.demands[i];
  request.loans[i] = allocator_.lend(demand, request.quota, price, now);
  if (request.loans[i].bo != nullptr) request.memory.use(allocator_.cost_of(demand).bytes);
}

void AllocRequests::lend_missing(OpenRequest& request, Price& price, Time now) {
  request.supplies_lent_from = pool_.supplies();
  for (size_t i = 0; i < request.loans.size(); ++i) {
    if (request.loans[i].bo != nullptr) continue;
    const Demand& demand = request.demands[i];
    request.loans[i] = allocator_.lend(demand, request.quota, price, now);
    if (request.loans[i].bo != nullptr) request.memory.use(allocator_.cost_of(demand).bytes);
  }
}

void AllocRequests::make_room(OpenRequest& request, Price& price, Time now) {
  const uint64_t bytes = request.memory.bytes() > 0 ? room_.to_evict() : 0;
  if (bytes == 0) {
    request.phase = Phase::kCreating;
    return;
  }
  price += kDeviceCall;
  const auto evicted = pool_.evict_bytes(bytes, kEvictPiece, now);
  price += static_cast<Price>(evicted.amount.count) * kEviction;
  request.by_worker = true;
  // Other programs have taken it meanwhile.
  if (evicted.amount.count == 0) refuse(request, Errno{ENOMEM});
}

void AllocRequests::create(OpenRequest& request, Price& price, Time now) {
  while (request.next < request.loans.size() && request.loans[request.next].bo != nullptr) ++request.next;
  if (request.next == request.loans.size()) {
    request.phase = Phase::kAtWorker;
    return;
  }
  const Demand& demand = request.demands[request.next];
  if (allocator_.is_for_worker(demand, request.by_worker) && !take_place(request)) {
    refuse(request, Errno{EDQUOT});
    return;
  }
  const auto loan = allocator_.create(demand, request.quota, request.by_worker, price, now);
  if (!loan) {
    creation_failed(request, loan.error(), now);
    return;
  }
  request.loans[request.next++] = *loan;
  request.memory.use(allocator_.cost_of(demand).bytes);
  if (!loan->pending()) return;
  creating_.emplace(loan->bo->id, &request);
  ++request.pending;
}

// Whether what was evicted, or is being destroyed, helps is seen when the worker, which does that first, makes the
// rest.
void AllocRequests::creation_failed(OpenRequest& request, Errno error, Time now) {
  const bool may_help = error == Errno{ENOMEM} || error == Errno{ENOSPC};
  request.refused_by_kernel = may_help;
  request.refused_at = now;
  const uint64_t reclaimable = pool_.spare() + pool_.coming();
  // Once that was in vain, everybody's cache is evicted again only for a request that it would be enough for.
  const bool worth_it = request.refusals == 0 ? reclaimable > 0 : reclaimable >= request.cost.bytes;
  if (may_help && !request.evicted_all && worth_it) {
    Cost lent;
    for (size_t i = 0; i < request.loans.size(); ++i) {
      if (request.loans[i].bo != nullptr) lent += allocator_.cost_of(request.demands[i]);
    }
    request.memory.renew(request.cost.bytes - lent.bytes - request.memory.bytes());
    request.phase = Phase::kEvictingAll;
  } else {
    refuse(request, error);
  }
}

void AllocRequests::evict_all(OpenRequest& request, Price& price, Time now) {
  // What has become ready since it looked last may be the very BO that it needs.
  if (pool_.supplies() != request.supplies_lent_from) lend_missing(request, price, now);
  if (request.memory.bytes() == 0) {
    request.next = 0;
    request.phase = Phase::kCreating;
    return;
  }
  const auto evicted = pool_.evict_bytes(kEverything, kEvictPiece, now);
  price += 1 + static_cast<Price>(evicted.amount.count) * kEviction;
  if (evicted.more) return;
  request.evicted_all = request.by_worker = true;
  request.next = 0;
  request.phase = Phase::kCreating;
}

void AllocRequests::refuse(OpenRequest& request, Errno error) {
  request.error = error;
  if (error == Errno{EDQUOT}) request.refused_by_kernel = false;
  request.phase = Phase::kGivingBack;
}

/// Gives one loan back. After the last one the request waits, or first looks at what is held.
void AllocRequests::give_back(OpenRequest& request, Price& price, Time now) {
  price += 1;
  if (!request.loans.empty()) {
    const Loan loan = request.loans.back();
    request.loans.pop_back();
    if (loan.bo == nullptr) return;
    price += 2 * kDeviceCall;
    if (!loan.pending()) {
      pool_.take_back_unsent(*loan.bo, now);
      return;
    }
    --request.pending;
    const BoId id = loan.bo->id;
    if (allocator_.cancel(*loan.bo, now)) {
      creating_.erase(id);
    } else {
      creating_.at(id) = nullptr;
    }
    return;
  }
  request.quota.reset();
  request.memory.reset();
  request.supplies_at_refusal = pool_.supplies();
  if (request.refused_by_kernel) {
    ++request.refusals;
    request.room_at_refusal = room_.available();
  }
  // What it was promised, or the worker was to make for it, others can have now.
  if (std::exchange(request.admitted, false)) wake_for_memory(now);
  const bool of_use = request.error == Errno{ENOMEM} || request.error == Errno{EDQUOT};
  const bool look = of_use && !request.cancelled && !request.looked_at_held;
  request.looks_left = pool_.amount(BoState::kHeld).count;
  request.phase = look ? Phase::kLookingAtHeld : Phase::kWaiting;
}

// Nobody tells when somebody drops a reference to a BO. Whoever lacks memory looks, once. Something may also have come
// back since it was refused, when nobody knew yet that it waits.
void AllocRequests::look_at_held(OpenRequest& request, Price& price, Time now) {
  request.looked_at_held = true;
  const bool more = pool_.look_at_held(request.user(), request.cost.bytes, now);
  price += kLookAtHeld;
  // An old look is good enough for whoever waits, but not for a refusal.
  room_.look_anew();
  if (may_be_served(request, now)) {
    request.phase = Phase::kAdmitting;
  } else if (!more || request.looks_left <= kHeldPiece) {
    // A moment later those that were looked at first would be worth another look: it would never end.
    request.phase = Phase::kWaiting;
  } else {
    request.looks_left -= kHeldPiece;
  }
}

void AllocRequests::wait_or_fail(OpenRequest& request, Time now) {
  if (!may_wait(request, now)) {
    fail(request, request.error);
    return;
  }
  if (!take_place(request)) {
    fail(request, Errno{EDQUOT});
    return;
  }
  request.has_waited = true;
  waiting_.add(request);
  if (!look_again_at_) look_again_at_ = now + kLookAgain;
}

// What is served at once takes no place, so that a user whose places are full of requests that wait is still served
// from the cache.
bool AllocRequests::take_place(OpenRequest& request) {
  if (request.has_place) return true;
  auto place = Charge::take(request.account(), {.requests = 1});
  if (!place) return false;
  request.place = *std::move(place);
  return request.has_place = true;
}

bool AllocRequests::may_wait(OpenRequest& request, Time now) {
  const bool may_pass =
      request.error == Errno{ENOMEM} || request.error == Errno{ENOSPC} || request.error == Errno{EDQUOT};
  if (!may_pass) return false;
  request.scan_awaited = 0;
  const bool coming = ask_back(request, now) != AskBack::kNothing;
  if (coming && !request.grace) request.grace = now + local_.options().grace;
  return coming || request.deadline;
}

AskBack AllocRequests::ask_back(OpenRequest& request, Time now) {
  Need need{.asker = request.account().get(), .request = request.arrival, .scan = request.scan_awaited};
  if (request.error != Errno{EDQUOT}) {
    const uint64_t missing = room_.lacking(request.cost.bytes);
    need.bytes = missing > 0 ? missing : request.cost.bytes;
  } else {
    const Account* full = request.account()->full_for(request.cost);
    if (full == nullptr) return AskBack::kNothing;
    const Cost missing = full->missing_for(request.cost, request.account()->child_below(*full));
    need.account = full;
    // What can be unused takes as many bytes of memory as of addresses.
    need.bytes = std::max(missing.bytes, missing.addresses);
    need.bos = missing.bos;
  }
  const AskBack answer = local_.ask_back(need, now);
  if (answer == AskBack::kScanning && request.scan_awaited == 0) request.scan_awaited = local_.next_scan();
  return answer;
}

bool AllocRequests::may_be_served(const OpenRequest& request, Time now) {
  if (request.account()->full_for(request.cost) != nullptr) return false;
  if (!room_.may_hold(request.cost.bytes, now)) return false;
  if (!request.refused_by_kernel) return true;
  const bool changed = pool_.supplies() != request.supplies_at_refusal || room_.available() > request.room_at_refusal;
  return changed && now - request.refused_at >= pause_after(request.refusals);
}

void AllocRequests::reconsider(OpenRequest& request, Time now) {
  if (may_be_served(request, now)) {
    waiting_.remove(request);
    request.phase = Phase::kAdmitting;
    turns_.add(request.user(), request);
    return;
  }
  // Another thing may be in its way than before.
  const Account* full = request.account()->full_for(request.cost);
  if (full != waiting_.waits_for(request)) {
    waiting_.remove(request);
    request.error = Errno{full != nullptr ? EDQUOT : ENOMEM};
    waiting_.add(request);
  }
  if (local_.scans() == request.scans_seen || local_.scans() < request.scan_awaited) return;
  request.scans_seen = local_.scans();
  // What it waits for may have been seen by the scan; if it was not, a request that does not wait has no reason to
  // stay.
  if (ask_back(request, now) != AskBack::kNothing || request.deadline) return;
  waiting_.remove(request);
  fail(request, request.error);
}

void AllocRequests::fail(OpenRequest& request, Errno error) {
  const auto ended = forget(request);
  listener_.failed(ended->asker, ended->demands, error);
}

std::unique_ptr<OpenRequest> AllocRequests::forget(OpenRequest& request) {
  const auto client = requests_.find(request.asker.client);
  const auto found = client->second.find(request.arrival);
  auto ended = std::move(found->second);
  client->second.erase(found);
  if (client->second.empty()) requests_.erase(client);
  return ended;
}

}  // namespace panbo
