// A lease table as a client has it: what came with the Welcome.
#pragma once

#include <memory>
#include <span>

#include "proto/lease_table.h"
#include "proto/unique_fd.h"

namespace panbo {

class ClientTable {
 public:
  /// Throws std::runtime_error if the memory cannot be mapped.
  ClientTable(UniqueFd memory, UniqueFd bell);

  [[nodiscard]] LeaseWord& word(uint32_t slot) const { return words_.get()[slot]; }
  /// Frees a lease that is in use. Returns whether the daemon is to be told.
  [[nodiscard]] bool free(uint32_t slot) const;
  [[nodiscard]] bool taken(uint32_t slot) const { return lease_use(word(slot)) == LeaseUse::kTaken; }
  [[nodiscard]] int memory() const { return memory_.get(); }
  [[nodiscard]] int bell() const { return bell_.get(); }
  /// Waits until it rings. Throws std::runtime_error if it does not for long.
  void await_bell() const;

 private:
  struct Unmap {
    void operator()(LeaseWord* words) const;
  };

  UniqueFd memory_;
  UniqueFd bell_;
  std::unique_ptr<LeaseWord, Unmap> words_;
};

}  // namespace panbo
