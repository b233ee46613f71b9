// Ready BOs that go before the decay takes them, by when they go.
#pragma once

#include <optional>
#include <vector>

#include "daemon/core/bo.h"
#include "daemon/core/clock.h"
#include "daemon/core/intrusive_list.h"

namespace panbo {

/// Borrows its BOs. Lifetimes are few (lifetime.h), and each is a queue of its own, so every operation is O(1).
class ExpiringBos {
 public:
  /// The BO goes when it has been unused for that long, that is since bo.since. One that had been unused for a part of
  /// it already may stay for as long as one that entered just before it.
  void insert(Bo& bo, Duration lifetime);

  /// Does nothing if the BO is not here.
  void remove(Bo& bo);

  /// The one that goes next, and when.
  struct Next {
    Bo* bo;
    Time due;
  };
  /// Returns nullopt if there is none.
  [[nodiscard]] std::optional<Next> next() const;

 private:
  struct Queue {
    Duration lifetime{};
    IntrusiveList<Bo, &Bo::in_expiring> bos;
  };
  std::vector<Queue> queues_;
};

}  // namespace panbo
