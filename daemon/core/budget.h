// Quotas: what a client, its user and the whole board may have at most, and tokens for what they have.
//
// An Account is one holder's limits and use. Accounts form a chain, client to user to board, and whatever is charged to
// one is charged to all above it, or to none. A Charge is the token: as long as it lives its cost is in use, and no code
// path can forget to give it back.
//
// An account can keep its *last share* for those below it who have little: beyond the rest, each of n of them may have
// only the (n + 1)-th part of that share. So one user can take nearly everything while nobody else needs it, and whoever
// comes later still finds something. (dbus-broker shares out its resources by the same idea.)
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

class Account;

/// Hears of quota that was given back. Must not charge or give back anything during the call.
class QuotaListener {
 public:
  virtual ~QuotaListener() = default;
  virtual void given_back(Account& account) = 0;
};

class Account {
 public:
  /// `name` is for people: whose account it is. `parent` may be null. `last_share`: how much of the limits is kept for
  /// those accounts below this one that have little; nothing by default.
  Account(std::string name, const Cost& limits, std::shared_ptr<Account> parent, const Cost& last_share = {});
  ~Account();
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const Cost& limits() const { return limits_; }
  [[nodiscard]] const Cost& used() const { return used_; }
  /// nullptr at the end of the chain.
  [[nodiscard]] const Account* parent() const { return parent_.get(); }

  /// The first account of the chain that has no room for it; nullptr if all have.
  [[nodiscard]] const Account* full_for(const Cost& cost) const;
  [[nodiscard]] Account* full_for(const Cost& cost) {
    return const_cast<Account*>(static_cast<const Account*>(this)->full_for(cost));
  }

  /// The account of the chain that is directly below `above`; nullptr if this is `above` itself.
  [[nodiscard]] const Account* child_below(const Account& above) const;

  /// What of this account alone is too little for it, in a word or two; empty if nothing is. `child`: the account
  /// directly below that wants it; nullptr if this one does.
  [[nodiscard]] std::string_view lacking(const Cost& cost, const Account* child = nullptr) const;
  /// How much of it this account, without those above it, has no room for.
  [[nodiscard]] Cost missing_for(const Cost& cost, const Account* child = nullptr) const;

  /// Whether the whole chain would have room for it if nothing was used.
  [[nodiscard]] bool can_ever_hold(const Cost& cost) const;

  /// `listener` hears whenever something of this account is given back, until another one, or nullptr, takes its place.
  void set_listener(QuotaListener* listener) { listener_ = listener; }

 private:
  friend class Charge;
  struct Resource;
  static const Resource kResources[];

  void add(const Cost& cost);
  void subtract(const Cost& cost);
  [[nodiscard]] uint64_t room(const Resource& resource, const Account* child) const;
  [[nodiscard]] const Resource* lacking_for(const Cost& cost, const Account* child) const;

  const std::string name_;
  const Cost limits_;
  const Cost last_share_;
  const std::shared_ptr<Account> parent_;
  Cost used_;
  /// Accounts directly below this one that use anything.
  uint64_t sharers_ = 0;
  QuotaListener* listener_ = nullptr;
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

  /// Adds another charge to this one. Both are charged to the same account, or one of them to none.
  void merge(Charge other);
  /// Takes a part of this charge out of it, which then is given back by itself. `cost` is at most what is left in it.
  [[nodiscard]] Charge split_off(const Cost& cost);

  /// Gives it back.
  void reset();

 private:
  Charge(std::shared_ptr<Account> account, const Cost& cost) : account_(std::move(account)), cost_(cost) {}

  std::shared_ptr<Account> account_;
  Cost cost_;
};

}  // namespace panbo
