// The Stocked BOs: plain ones of the sizes that the administrator named, made while nobody waits for anything, and
// never lent before. They read as zero and belong to no domain, so each serves any request of its size at once.
//
// Since they were never exported they are the only BOs that the kernel's shrinker can take by itself.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "daemon/core/bo.h"
#include "daemon/core/clock.h"
#include "daemon/core/intrusive_list.h"

namespace panbo {

/// So many BOs of that size in bytes.
struct StockItem {
  uint64_t size = 0;
  uint64_t count = 0;
};

/// Borrows its BOs. Never reads a clock.
class Stock {
 public:
  /// Sizes are rounded up to their classes, whose granule is `page_size`.
  Stock(const std::vector<StockItem>& items, uint64_t page_size);

  /// The BO must be Stocked, and of a size that missing() named.
  void insert(Bo& bo);
  void remove(Bo& bo);

  /// One of that size, still in the stock; nullptr if there is none.
  [[nodiscard]] Bo* any(uint64_t size) const;
  /// One of the largest size that there is; nullptr if the stock is empty.
  [[nodiscard]] Bo* largest() const;

  // To look at all of them, some at a time. What enters or leaves meanwhile may be looked at twice, or not.
  void begin_check();
  /// The next one, still in the stock; nullptr if all have been looked at.
  [[nodiscard]] Bo* next_to_check();
  [[nodiscard]] bool to_check() const;

  /// The size in bytes of the next BO to make. Returns nullopt if the stock is full.
  [[nodiscard]] std::optional<uint64_t> missing() const;

  // When to make it. One is made at a time.

  /// Returns nullopt while one is being made, or if none is missing.
  [[nodiscard]] std::optional<Time> due() const;
  void begin() { making_ = true; }
  /// It was made: the next one may follow shortly.
  void made(Time now);
  /// It was not: the next try comes later, and later each time until one succeeds.
  void failed(Time now);
  /// One went to the kernel, or to somebody who needs the memory more: they may need it still.
  void lost(Time now);
  /// Something else comes first.
  void postpone(Time now);

 private:
  using Bos = IntrusiveList<Bo, &Bo::in_state>;
  struct Shelf {
    uint64_t wanted = 0;
    uint64_t count = 0;
    /// Those at the front are still to be looked at.
    uint64_t to_check = 0;
    Bos bos;
  };

  /// By size.
  std::map<uint64_t, Shelf> shelves_;
  bool making_ = false;
  Time not_before_{};
  Duration backoff_{};
};

}  // namespace panbo
