// A client's lease table as a daemon has it, for tests of the client.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "proto/lease_table.h"
#include "proto/unique_fd.h"

namespace panbo::test {

/// Thread-safe.
class FakeLeaseTable {
 public:
  FakeLeaseTable();
  ~FakeLeaseTable();
  FakeLeaseTable(const FakeLeaseTable&) = delete;
  FakeLeaseTable& operator=(const FakeLeaseTable&) = delete;

  /// What goes with a Welcome. Borrowed.
  [[nodiscard]] std::vector<int> fds_of_client() const { return {memfd_.get(), bell_of_client_.get()}; }

  /// Gives the lease a slot.
  uint32_t add(uint64_t lease_id, bool in_use);

  [[nodiscard]] LeaseUse use_of(uint64_t lease_id);
  /// Takes it if it is unused, and does not ring.
  bool take(uint64_t lease_id);
  /// Takes all that are unused; how many.
  size_t take_all();
  void ring() const;
  /// The client is to say when something is unused.
  void sleep() { stop_watching(words_[0]); }

 private:
  [[nodiscard]] LeaseWord& word_of(uint64_t lease_id);

  UniqueFd memfd_;
  UniqueFd bell_;
  UniqueFd bell_of_client_;
  LeaseWord* words_ = nullptr;
  std::mutex mutex_;
  std::map<uint64_t, uint32_t> slots_;
};

}  // namespace panbo::test
