// Owns every BO record and counts them by state. All changes of state go through move(), which is what keeps the
// totals right and every move legal.
#pragma once

#include <array>
#include <deque>
#include <vector>

#include "daemon/core/bo.h"
#include "daemon/core/stats.h"

namespace panbo {

class BoStore {
 public:
  /// A new record in Creating. The reference stays valid until erase().
  Bo& add(const BoKey& key, Borrower borrower, Time now);

  /// The BO of that name, or nullptr if it is gone: names are not used again.
  [[nodiscard]] Bo* find(BoId id);

  /// Moves a BO to another state, if that is legal; ends the process if it is not (bo_state.h).
  void move(Bo& bo, BoState to, Time now);

  /// Forgets a Retired BO.
  void erase(Bo& bo);

  /// How many BOs are in that state, and their sizes' sum.
  [[nodiscard]] const Amount& amount(BoState state) const { return amounts_[static_cast<size_t>(state)]; }

  /// BOs in all states, and their sizes' sum.
  [[nodiscard]] Amount total() const;
  /// Bytes of memory that the BOs in all states count as.
  [[nodiscard]] uint64_t memory() const { return memory_; }

  /// Calls f(Bo&) for every BO, in no order. f must not add or erase.
  template <class F>
  void for_each(F f) {
    for (Bo& bo : slots_) {
      if (bo.state != BoState::kRetired) f(bo);
    }
  }

 private:
  /// Those that are free are Retired.
  std::deque<Bo> slots_;
  std::vector<uint32_t> free_;
  std::array<Amount, kBoStateCount> amounts_;
  uint64_t memory_ = 0;
};

}  // namespace panbo
