// Looks come in order of time, so a lease that is seen unused goes to the back of its lists and each list is in order
// of time by itself. A lease is in three of them: everybody's, its user's and its client's. Links are numbers of 32
// bits rather than pointers, so a record fits into a cache line.
//
// A lease that was taken is in one list, which it leaves when it is given back. What is still counted on and what may
// be overdue are the ends of that list, so each has a place in it that only moves on.

#include "daemon/service/lease_book.h"

#include <cassert>

#include "daemon/service/local_leases.h"

namespace panbo {
namespace {

constexpr size_t index(LeaseList list) {
  return static_cast<size_t>(list);
}

/// Of the account above one with that list.
constexpr LeaseList above(LeaseList list) {
  return list == LeaseList::kOfClient ? LeaseList::kOfUser : LeaseList::kOfAll;
}

}  // namespace

void add_to(LeaseHolder& holder, Amount LeaseHolder::*sum, const Amount& amount) {
  for (LeaseHolder* each = &holder; each != nullptr; each = each->parent.get()) each->*sum += amount;
}

void subtract_from(LeaseHolder& holder, Amount LeaseHolder::*sum, const Amount& amount) {
  for (LeaseHolder* each = &holder; each != nullptr; each = each->parent.get()) {
    (each->*sum).count -= amount.count;
    (each->*sum).bytes -= amount.bytes;
  }
}

std::shared_ptr<LeaseHolder> LeaseBook::open(const Account& account) {
  assert(account.parent() != nullptr);
  auto client = holder_of(&account, LeaseList::kOfClient);
  for (LeaseHolder* holder = client.get(); holder != nullptr; holder = holder->parent.get()) ++holder->clients;
  return client;
}

void LeaseBook::close(const std::shared_ptr<LeaseHolder>& client) {
  for (std::shared_ptr<LeaseHolder> holder = client; holder != nullptr; holder = holder->parent) {
    if (--holder->clients == 0 && holder->account != nullptr) holders_.erase(holder->account);
  }
}

std::shared_ptr<LeaseHolder> LeaseBook::find(const Account* account) const {
  if (account == nullptr) return everybody_;
  const auto found = holders_.find(account);
  return found == holders_.end() ? nullptr : found->second;
}

std::shared_ptr<LeaseHolder> LeaseBook::holder_of(const Account* account, LeaseList list) {
  if (auto found = find(account)) return found;
  auto made = std::make_shared<LeaseHolder>();
  made->account = account;
  made->list = list;
  made->number = next_number_++;
  made->parent = holder_of(account->parent(), above(list));
  holders_.emplace(account, made);
  return made;
}

LeaseRef LeaseBook::add(LocalLeases& owner, uint16_t slot, uint64_t bytes, uint32_t word, Time now) {
  LeaseRef ref = free_;
  if (ref == 0) {
    ref = static_cast<LeaseRef>(records_.size());
    records_.emplace_back();
  } else {
    free_ = after(ref);
  }
  LeaseRecord& lease = records_[ref];
  lease = {};
  lease.owner = &owner;
  lease.bytes = bytes;
  lease.slot = slot;
  sum_up(lease, &LeaseHolder::usable, true);
  seen(ref, word, now);
  return ref;
}

void LeaseBook::seen(LeaseRef ref, uint32_t word, Time now) {
  LeaseRecord& lease = records_[ref];
  if (lease.state == LeaseState::kUnused) leave_unused(ref);
  lease.seen = word;
  lease.since = now;
  if (lease_use(word) == LeaseUse::kUnused) enter_unused(ref);
}

void LeaseBook::take(LeaseRef ref, AfterRelease after_release, Time now) {
  LeaseRecord& lease = records_[ref];
  leave_unused(ref);
  sum_up(lease, &LeaseHolder::usable, false);
  lease.state = LeaseState::kTaken;
  lease.unused_since = lease.since;
  lease.since = now;
  lease.destroy = after_release == AfterRelease::kDestroy;
  lease.coming = true;
  sum_up(lease, &LeaseHolder::taken, true);
  sum_up(lease, &LeaseHolder::coming, true);
  push_back(taken_, LeaseList::kOfAll, ref);
  if (coming_ == 0) coming_ = ref;
  if (overdue_ == 0) overdue_ = ref;
}

LeaseEnd LeaseBook::remove(LeaseRef ref) {
  LeaseRecord& lease = records_[ref];
  LeaseEnd end;
  if (lease.state == LeaseState::kTaken) {
    end = {.after = lease.destroy ? AfterRelease::kDestroy : AfterRelease::kCache, .unused_since = lease.unused_since};
    if (lease.coming) sum_up(lease, &LeaseHolder::coming, false);
    sum_up(lease, &LeaseHolder::taken, false);
    if (coming_ == ref) coming_ = after(ref);
    if (overdue_ == ref) overdue_ = after(ref);
    unlink(taken_, LeaseList::kOfAll, ref);
  } else {
    if (lease.state == LeaseState::kUnused) leave_unused(ref);
    sum_up(lease, &LeaseHolder::usable, false);
  }
  lease = {};
  lease.links[0].next = free_;
  free_ = ref;
  return end;
}

void LeaseBook::expire_coming(Time time, uint64_t limit) {
  for (; limit > 0 && coming_ != 0 && records_[coming_].since <= time; --limit) {
    LeaseRecord& lease = records_[coming_];
    lease.coming = false;
    sum_up(lease, &LeaseHolder::coming, false);
    coming_ = after(coming_);
  }
}

void LeaseBook::pass_overdue() {
  overdue_ = after(overdue_);
}

void LeaseBook::sum_up(const LeaseRecord& lease, Amount LeaseHolder::*sum, bool more) {
  const Amount amount{.count = 1, .bytes = lease.bytes};
  more ? add_to(lease.owner->holder(), sum, amount) : subtract_from(lease.owner->holder(), sum, amount);
}

void LeaseBook::enter_unused(LeaseRef ref) {
  LeaseRecord& lease = records_[ref];
  LeaseHolder& client = lease.owner->holder();
  LeaseHolder& user = *client.parent;
  lease.state = LeaseState::kUnused;
  auto place = users_.extract(&user);
  sum_up(lease, &LeaseHolder::unused, true);
  if (place) {
    users_.insert(std::move(place));
  } else {
    users_.insert(&user);
  }
  push_back(*everybody_, LeaseList::kOfAll, ref);
  push_back(user, LeaseList::kOfUser, ref);
  push_back(client, LeaseList::kOfClient, ref);
}

void LeaseBook::leave_unused(LeaseRef ref) {
  LeaseRecord& lease = records_[ref];
  LeaseHolder& client = lease.owner->holder();
  LeaseHolder& user = *client.parent;
  lease.state = LeaseState::kInUse;
  auto place = users_.extract(&user);
  sum_up(lease, &LeaseHolder::unused, false);
  if (user.unused.count > 0) users_.insert(std::move(place));
  unlink(*everybody_, LeaseList::kOfAll, ref);
  unlink(user, LeaseList::kOfUser, ref);
  unlink(client, LeaseList::kOfClient, ref);
}

void LeaseBook::push_back(LeaseHolder& holder, LeaseList list, LeaseRef ref) {
  records_[ref].links[index(list)] = {.prev = holder.back, .next = 0};
  (holder.back == 0 ? holder.front : records_[holder.back].links[index(list)].next) = ref;
  holder.back = ref;
}

void LeaseBook::unlink(LeaseHolder& holder, LeaseList list, LeaseRef ref) {
  const LeaseRecord::Link link = records_[ref].links[index(list)];
  (link.prev == 0 ? holder.front : records_[link.prev].links[index(list)].next) = link.next;
  (link.next == 0 ? holder.back : records_[link.next].links[index(list)].prev) = link.prev;
}

}  // namespace panbo
