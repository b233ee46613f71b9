// How many references a dma-buf has, as the kernel tells in /proc/self/fdinfo.
#pragma once

#include <cstdint>
#include <string_view>

#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo {

/// The number after "count:" in a dma-buf's fdinfo. Errors: ENOTSUP it is not that of a dma-buf.
Result<uint64_t> parse_dma_buf_count(std::string_view fdinfo);

/// Thread-safe.
class DmaBufRefs {
 public:
  /// Errors: those of opening /proc/self/fdinfo.
  static Result<DmaBufRefs> open();

  /// References on the dma-buf of `fd`: its fds (also those in a socket's queue), importing handles and mappings, in
  /// any process. A poll that waits on it counts as one too. Errors: those of open(2) and read(2); ENOTSUP `fd` is
  /// not a dma-buf.
  [[nodiscard]] Result<uint64_t> count(int fd) const;

 private:
  explicit DmaBufRefs(UniqueFd fdinfo) : fdinfo_(std::move(fdinfo)) {}

  UniqueFd fdinfo_;
};

}  // namespace panbo
