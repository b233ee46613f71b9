// Arithmetic at the limits saturates: a cost is compared with the room that is left, never added first, and an account
// that uses more than its limit (a limit can be lowered) has no room.
//
// Accounts are shared by those who charge them, since a charge can outlive its client: a BO that is still drawn from
// or held belongs to whoever released it, connected or not.

#include "daemon/core/budget.h"

#include <algorithm>
#include <cassert>

namespace panbo {

struct Account::Resource {
  uint64_t Cost::*amount;
  std::string_view name;
};

constexpr Account::Resource Account::kResources[] = {{&Cost::bytes, "bytes"},
                                                     {&Cost::addresses, "GPU addresses"},
                                                     {&Cost::bos, "BOs"},
                                                     {&Cost::requests, "open requests"},
                                                     {&Cost::fds, "fds in flight"}};

namespace {

uint64_t minus(uint64_t a, uint64_t b) {
  return a - std::min(a, b);
}

}  // namespace

Cost& Cost::operator+=(const Cost& other) {
  bytes += other.bytes;
  addresses += other.addresses;
  bos += other.bos;
  requests += other.requests;
  fds += other.fds;
  return *this;
}

Cost& Cost::operator-=(const Cost& other) {
  bytes -= other.bytes;
  addresses -= other.addresses;
  bos -= other.bos;
  requests -= other.requests;
  fds -= other.fds;
  return *this;
}

Account::Account(std::string name, const Cost& limits, std::shared_ptr<Account> parent, const Cost& last_share)
    : name_(std::move(name)), limits_(limits), last_share_(last_share), parent_(std::move(parent)) {
}

Account::~Account() {
  assert(used_ == Cost{});
}

// How much more of a resource `child` may have. Whoever has little may have a part of the last share; everybody else
// what is left before it begins.
uint64_t Account::room(const Resource& resource, const Account* child) const {
  const uint64_t limit = limits_.*resource.amount;
  const uint64_t used = used_.*resource.amount;
  const uint64_t share = last_share_.*resource.amount;
  const uint64_t open = minus(minus(limit, share), used);
  if (child == nullptr || share == 0) return share == 0 ? minus(limit, used) : open;
  const uint64_t sharers = sharers_ + (child->used_ == Cost{} ? 1 : 0);
  const uint64_t part = minus(share / (sharers + 1), child->used_.*resource.amount);
  return std::max(open, std::min(part, minus(limit, used)));
}

/// The first that does not fit; nullptr if all do.
const Account::Resource* Account::lacking_for(const Cost& cost, const Account* child) const {
  for (const Resource& resource : kResources) {
    const uint64_t wanted = cost.*resource.amount;
    if (wanted > 0 && wanted > room(resource, child)) return &resource;
  }
  return nullptr;
}

const Account* Account::full_for(const Cost& cost) const {
  const Account* child = nullptr;
  for (const Account* account = this; account != nullptr; account = account->parent_.get()) {
    if (account->lacking_for(cost, child) != nullptr) return account;
    child = account;
  }
  return nullptr;
}

const Account* Account::child_below(const Account& above) const {
  const Account* child = nullptr;
  for (const Account* account = this; account != &above && account != nullptr; account = account->parent_.get()) {
    child = account;
  }
  return child;
}

std::string_view Account::lacking(const Cost& cost, const Account* child) const {
  const Resource* resource = lacking_for(cost, child);
  return resource == nullptr ? std::string_view() : resource->name;
}

Cost Account::missing_for(const Cost& cost, const Account* child) const {
  Cost missing;
  for (const Resource& resource : kResources) {
    missing.*resource.amount = minus(cost.*resource.amount, room(resource, child));
  }
  return missing;
}

bool Account::can_ever_hold(const Cost& cost) const {
  for (const Account* account = this; account != nullptr; account = account->parent_.get()) {
    for (const Resource& resource : kResources) {
      const uint64_t share = account->last_share_.*resource.amount;
      // Alone, somebody may have all but the last share, or half of that.
      const uint64_t most = std::max(minus(account->limits_.*resource.amount, share), share / 2);
      if (cost.*resource.amount > most) return false;
    }
  }
  return true;
}

void Account::add(const Cost& cost) {
  for (Account* account = this; account != nullptr; account = account->parent_.get()) {
    if (account->used_ == Cost{} && account->parent_ != nullptr && !(cost == Cost{})) ++account->parent_->sharers_;
    account->used_ += cost;
  }
}

void Account::subtract(const Cost& cost) {
  for (Account* account = this; account != nullptr; account = account->parent_.get()) {
    account->used_ -= cost;
    if (account->used_ == Cost{} && account->parent_ != nullptr && !(cost == Cost{})) --account->parent_->sharers_;
    if (account->listener_ != nullptr) account->listener_->given_back(*account);
  }
}

Result<Charge> Charge::take(std::shared_ptr<Account> account, const Cost& cost) {
  if (account->full_for(cost) != nullptr) return Errno{EDQUOT};
  account->add(cost);
  return Charge(std::move(account), cost);
}

void Charge::merge(Charge other) {
  if (account_ == nullptr) {
    *this = std::move(other);
    return;
  }
  cost_ += other.cost_;
  other.account_.reset();
}

Charge Charge::split_off(const Cost& cost) {
  cost_ -= cost;
  return Charge(account_, cost);
}

void Charge::reset() {
  if (account_ == nullptr) return;
  const std::shared_ptr<Account> account = std::move(account_);
  account_.reset();
  account->subtract(cost_);
}

}  // namespace panbo
