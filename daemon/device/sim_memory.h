// The memory of a simulated BO: a memfd, lent and asked about as a dma-buf would be.
#pragma once

#include <cstdint>

#include "daemon/core/device.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo {

/// The memory of one BO. It lives as long as anybody has an fd or a mapping of it, like a BO's.
struct SimPages {
  UniqueFd file;
  /// What is lent, opened a second time; or none.
  UniqueFd lent;
  uint64_t size = 0;
  uint64_t inode = 0;
};

/// Thread-safe, as long as no two calls name the same pages.
class SimMemory {
 public:
  /// Errors: ENOTSUP the kernel does not grant file leases on memfds; EMFILE, ENOMEM.
  static Result<SimMemory> open();

  /// Pages that read as zero. `size` is in bytes. Errors: EMFILE, ENFILE, ENOMEM.
  [[nodiscard]] Result<SimPages> allocate(uint64_t size) const;

  /// Has the system give the pages now, and clear them, as panfrost does; otherwise that happens when they are touched.
  /// Takes long for large ones. Errors: ENOMEM.
  [[nodiscard]] static Result<void> clear(const SimPages& pages);

  /// Makes the next lend() cheap, as it is for a dma-buf that was exported before. Errors: EMFILE, ENFILE, ENOMEM.
  Result<void> prepare(SimPages& pages) const;

  /// An fd for somebody else, which holders() can tell from ours. Errors: EMFILE, ENFILE, ENOMEM.
  [[nodiscard]] Result<UniqueFd> lend(SimPages& pages) const;

  /// Whether an fd that lend() gave, or a mapping made of one, still exists anywhere. Errors: ENOTSUP, ENOMEM.
  [[nodiscard]] static Result<Holders> holders(SimPages& pages);

  /// Gives the memory back to the system; it reads as zero afterwards. Errors: those of fallocate(2).
  [[nodiscard]] static Result<void> discard(const SimPages& pages);

 private:
  explicit SimMemory(UniqueFd own_fds) : own_fds_(std::move(own_fds)) {}
  [[nodiscard]] Result<UniqueFd> reopen(int fd) const;

  /// /proc/self/fd
  UniqueFd own_fds_;
};

}  // namespace panbo
