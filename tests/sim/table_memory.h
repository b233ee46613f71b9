// Memory for lease tables that can be guarded: then each page that is read or written is counted, once a call. What a
// call of the daemon costs in looks at lease words cannot be counted otherwise: a look is a load.
//
// A guarded page may not be touched; the fault of the first touch counts it and opens it.
#pragma once

#include <signal.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "proto/lease_table.h"

namespace panbo::sim {

class TableMemory {
 public:
  /// Only one may be guarded at a time in a process.
  explicit TableMemory(bool guarded);
  ~TableMemory();
  TableMemory(const TableMemory&) = delete;
  TableMemory& operator=(const TableMemory&) = delete;

  /// Whether anything is counted.
  [[nodiscard]] bool guarded() const { return memory_ != nullptr; }
  /// Pages of their own for so many words, all zero; they stay as long as this. Only if it is guarded.
  std::span<LeaseWord> make(size_t words);

  /// From here until open() pages are counted.
  void close();
  void open();
  [[nodiscard]] uint64_t touched() const { return touched_; }

 private:
  static void on_fault(int signal, siginfo_t* info, void* context);
  void protect(int how);

  std::byte* memory_ = nullptr;
  size_t used_ = 0;
  /// Written by the handler of a fault of this thread.
  volatile uint64_t touched_ = 0;
  struct sigaction before_ {};
};

}  // namespace panbo::sim
