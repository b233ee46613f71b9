// The lease table (proto/lease_table.h), as this process sees it.
#pragma once

#include <cstdint>

#include "client/lib/fork_guard.h"
#include "proto/lease_table.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo {

/// A forked child does not have it: its words are those of its parent's leases.
class MappedTable {
 public:
  /// No table.
  explicit MappedTable(const ForkGuard& guard) : guard_(guard) {}
  MappedTable(const MappedTable&) = delete;
  MappedTable& operator=(const MappedTable&) = delete;
  ~MappedTable();

  /// Once. `memfd` need not stay open. Errors: EPROTO it is smaller than so many words; those of mmap(2).
  Result<void> map(const UniqueFd& memfd, uint32_t words);

  [[nodiscard]] bool exists() const { return words_ != nullptr; }
  [[nodiscard]] LeaseWord& watched() const { return words_[0]; }
  /// nullptr: no lease has this slot.
  [[nodiscard]] LeaseWord* lease(uint32_t slot) const { return slot > 0 && slot < count_ ? &words_[slot] : nullptr; }

 private:
  const ForkGuard& guard_;
  LeaseWord* words_ = nullptr;
  uint32_t count_ = 0;
};

}  // namespace panbo
