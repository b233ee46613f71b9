// The Ready BOs and their ages: which one serves a request, which one gives way, and which one has grown too old.
#pragma once

#include <optional>

#include "daemon/core/bo_cache.h"
#include "daemon/core/clock.h"
#include "daemon/core/decay.h"
#include "daemon/core/expiring_bos.h"
#include "daemon/core/recurrence.h"
#include "daemon/core/stats.h"

namespace panbo {

/// Borrows its BOs. Never reads a clock.
class ReadyBos {
 public:
  /// `decay_time`: how long it takes an unused cache to go from full to nothing. Large BOs go earlier (lifetime.h).
  explicit ReadyBos(Duration decay_time) : decay_(decay_time), recurrence_(decay_time), decay_time_(decay_time) {}

  /// The BO must be Ready, and is unused since bo.since.
  void insert(Bo& bo, Time now);

  /// Somebody asks for a BO of that key. Returns one that is still here, or nullptr.
  [[nodiscard]] Bo* ask(const BoKey& key, Time now);

  /// It is used, or makes room.
  void remove(Bo& bo);

  // Each of these returns a BO that is still here, or nullptr if there is none.

  [[nodiscard]] Bo* warmest(const BoKey& key) const { return cache_.warmest(key); }
  /// Gives way before all others.
  [[nodiscard]] Bo* first_to_go() const { return cache_.first_to_go(); }
  [[nodiscard]] Bo* oldest_of(DomainId user) const { return cache_.oldest_of(user); }

  /// One that has grown too old. It is not here any more. Returns nullptr if there is none.
  [[nodiscard]] Bo* take_aged(Time now);
  /// take_aged() returns nullptr before.
  [[nodiscard]] std::optional<Time> next_deadline() const;

  [[nodiscard]] const Amount& amount() const { return amount_; }

 private:
  Bo* take_decayed(Time now);

  BoCache cache_;
  ExpiringBos expiring_;
  Decay decay_;
  Recurrence recurrence_;
  const Duration decay_time_;
  Amount amount_;
  /// Nothing of the cache has decayed before. Nothing if it is empty.
  std::optional<Time> decay_deadline_;
};

}  // namespace panbo
