// Arithmetic at the limits: use never exceeds a limit, so limit - used never wraps, and a cost is compared with that
// difference, never added first.
//
// Accounts are shared by those who charge them, since a charge can outlive its client: a BO that is still drawn from
// or held belongs to whoever released it, connected or not.

#include "daemon/core/budget.h"

#include <algorithm>

namespace panbo {
namespace {

struct Resource {
  uint64_t Cost::*amount;
  std::string_view name;
};

constexpr Resource kResources[] = {{&Cost::bytes, "bytes"},
                                   {&Cost::addresses, "GPU addresses"},
                                   {&Cost::bos, "BOs"},
                                   {&Cost::requests, "open requests"},
                                   {&Cost::fds, "fds in flight"}};

/// The first that does not fit; nullptr if all do.
const Resource* lacking_for(const Cost& cost, const Cost& used, const Cost& limits) {
  for (const Resource& resource : kResources) {
    if (cost.*resource.amount > limits.*resource.amount - used.*resource.amount) return &resource;
  }
  return nullptr;
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

Account::Account(std::string name, const Cost& limits, std::shared_ptr<Account> parent)
    : name_(std::move(name)), limits_(limits), parent_(std::move(parent)) {
}

const Account* Account::full_for(const Cost& cost) const {
  for (const Account* account = this; account != nullptr; account = account->parent_.get()) {
    if (lacking_for(cost, account->used_, account->limits_) != nullptr) return account;
  }
  return nullptr;
}

std::string_view Account::lacking(const Cost& cost) const {
  const Resource* resource = lacking_for(cost, used_, limits_);
  return resource == nullptr ? std::string_view() : resource->name;
}

Cost Account::missing_for(const Cost& cost) const {
  Cost missing;
  for (const Resource& resource : kResources) {
    const uint64_t room = limits_.*resource.amount - used_.*resource.amount;
    missing.*resource.amount = cost.*resource.amount - std::min(cost.*resource.amount, room);
  }
  return missing;
}

bool Account::can_ever_hold(const Cost& cost) const {
  for (const Account* account = this; account != nullptr; account = account->parent_.get()) {
    if (lacking_for(cost, Cost{}, account->limits_) != nullptr) return false;
  }
  return true;
}

void Account::add(const Cost& cost) {
  for (Account* account = this; account != nullptr; account = account->parent_.get()) account->used_ += cost;
}

void Account::subtract(const Cost& cost) {
  for (Account* account = this; account != nullptr; account = account->parent_.get()) account->used_ -= cost;
}

Result<Charge> Charge::take(std::shared_ptr<Account> account, const Cost& cost) {
  if (account->full_for(cost) != nullptr) return Errno{EDQUOT};
  account->add(cost);
  return Charge(std::move(account), cost);
}

void Charge::reset() {
  if (account_ == nullptr) return;
  account_->subtract(cost_);
  account_.reset();
}

}  // namespace panbo
