// Quotas: what a client and its user may have at most, and tokens for what they have.
//
// An Account is one holder's limits and use. Accounts form a chain, client to user, and whatever is charged to one is
// charged to all above it, or to none. A Charge is the token: as long as it lives its cost is in use, and no code path
// can forget to give it back.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "proto/result.h"

namespace panbo {

/// What something costs, or how much of it is allowed.
struct Cost {
  /// Of memory.
  uint64_t bytes = 0;
  /// Of GPU address space.
  uint64_t addresses = 0;
  uint64_t bos = 0;
  /// Requests that wait.
  uint64_t requests = 0;
  /// Fds that were sent and not yet received.
  uint64_t fds = 0;

  Cost& operator+=(const Cost& other);
  Cost& operator-=(const Cost& other);
  friend bool operator==(const Cost&, const Cost&) = default;
};

inline constexpr Cost kNoLimit{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};

class Account {
 public:
  /// `name` is for people: whose account it is. `parent` may be null.
  Account(std::string name, const Cost& limits, std::shared_ptr<Account> parent);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const Cost& limits() const { return limits_; }
  [[nodiscard]] const Cost& used() const { return used_; }
  /// nullptr at the end of the chain.
  [[nodiscard]] const Account* parent() const { return parent_.get(); }

  /// The first account of the chain that has no room for it; nullptr if all have.
  [[nodiscard]] const Account* full_for(const Cost& cost) const;

  /// What of this account alone is too little for it, in a word or two; empty if nothing is.
  [[nodiscard]] std::string_view lacking(const Cost& cost) const;
  /// How much of it this account, without those above it, has no room for.
  [[nodiscard]] Cost missing_for(const Cost& cost) const;

  /// Whether the whole chain would have room for it if nothing was used.
  [[nodiscard]] bool can_ever_hold(const Cost& cost) const;

 private:
  friend class Charge;
  void add(const Cost& cost);
  void subtract(const Cost& cost);

  const std::string name_;
  const Cost limits_;
  const std::shared_ptr<Account> parent_;
  Cost used_;
};

class [[nodiscard]] Charge {
 public:
  /// Costs nothing.
  Charge() = default;
  Charge(Charge&& other) noexcept : account_(std::move(other.account_)), cost_(other.cost_) {}
  Charge& operator=(Charge&& other) noexcept {
    reset();
    account_ = std::move(other.account_);
    cost_ = other.cost_;
    return *this;
  }
  ~Charge() { reset(); }

  /// Errors: EDQUOT an account of the chain has no room; Account::full_for() tells which.
  static Result<Charge> take(std::shared_ptr<Account> account, const Cost& cost);

  /// Gives it back.
  void reset();

 private:
  Charge(std::shared_ptr<Account> account, const Cost& cost) : account_(std::move(account)), cost_(cost) {}

  std::shared_ptr<Account> account_;
  Cost cost_;
};

}  // namespace panbo
