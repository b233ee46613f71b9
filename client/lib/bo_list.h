// The BOs that a client has, and how it came by them.
#pragma once

#include <list>
#include <mutex>

#include "client/include/panbo.h"
#include "client/lib/bo.h"

namespace panbo {

/// Thread-safe, except for construction and destruction. The lock is held for a few instructions at a time.
class BoList {
 public:
  /// Makes `count` BOs that belong to no list yet. Throws std::bad_alloc.
  static std::list<panbo_bo> make(Client& owner, size_t count);

  /// Takes granted BOs over, as they are.
  void add(std::list<panbo_bo>& granted);

  /// The caller lets it die.
  [[nodiscard]] std::list<panbo_bo> remove(panbo_bo& bo);

  /// All of them, likewise.
  [[nodiscard]] std::list<panbo_bo> remove_all();

  /// `count` BOs were asked for and not got.
  void count_failed(size_t count);

  /// struct_size and reserved are 0.
  [[nodiscard]] panbo_stats stats() const;

  /// As Connection::at_rest().
  [[nodiscard]] bool at_rest() const;

 private:
  mutable std::mutex mutex_;
  std::list<panbo_bo> bos_;
  panbo_stats stats_{};
};

}  // namespace panbo
