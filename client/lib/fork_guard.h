// Tells the process that made it from its forked children.
#pragma once

#include "proto/result.h"

namespace panbo {

/// One page that the kernel zeroes in the child. So it sees every kind of fork, also those that run no handler of the
/// C library's (a raw clone), and costs a load to ask. Thread-safe.
class ForkGuard {
 public:
  /// Errors: those of mmap(2) and madvise(2).
  static Result<ForkGuard> make();
  ForkGuard(ForkGuard&& other) noexcept;
  ForkGuard& operator=(ForkGuard&&) = delete;
  ~ForkGuard();

  /// False in a child that was forked since.
  [[nodiscard]] bool in_maker() const { return *page_ != 0; }

 private:
  explicit ForkGuard(const int* page) : page_(page) {}

  const int* page_;
};

}  // namespace panbo
