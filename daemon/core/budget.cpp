// Arithmetic at the limits: use never exceeds a limit, so limit - used never wraps, and a cost is compared with that
// difference, never added first.
//
// Accounts are shared by those who charge them, since a charge can outlive its client: a BO that is still drawn from
// or held belongs to whoever released it, connected or not.

#include "daemon/core/budget.h"

namespace panbo {
namespace {

bool fits(const Cost& cost, const Cost& used, const Cost& limits) {
  return cost.bytes <= limits.bytes - used.bytes && cost.bos <= limits.bos - used.bos &&
         cost.requests <= limits.requests - used.requests && cost.fds <= limits.fds - used.fds;
}

}  // namespace

Account::Account(std::string name, const Cost& limits, std::shared_ptr<Account> parent)
    : name_(std::move(name)), limits_(limits), parent_(std::move(parent)) {
}

const Account* Account::full_for(const Cost& cost) const {
  for (const Account* account = this; account != nullptr; account = account->parent_.get()) {
    if (!fits(cost, account->used_, account->limits_)) return account;
  }
  return nullptr;
}

bool Account::can_ever_hold(const Cost& cost) const {
  for (const Account* account = this; account != nullptr; account = account->parent_.get()) {
    if (!fits(cost, Cost{}, account->limits_)) return false;
  }
  return true;
}

void Account::add(const Cost& cost) {
  for (Account* account = this; account != nullptr; account = account->parent_.get()) {
    account->used_.bytes += cost.bytes;
    account->used_.bos += cost.bos;
    account->used_.requests += cost.requests;
    account->used_.fds += cost.fds;
  }
}

void Account::subtract(const Cost& cost) {
  for (Account* account = this; account != nullptr; account = account->parent_.get()) {
    account->used_.bytes -= cost.bytes;
    account->used_.bos -= cost.bos;
    account->used_.requests -= cost.requests;
    account->used_.fds -= cost.fds;
  }
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
