// An open DRM file of the panfrost driver, whichever fds of it the program has, and its client of panbod.
#pragma once

#include <atomic>
#include <mutex>

#include "client/include/panbo.h"
#include "client/interpose/bo_table.h"
#include "client/interpose/kernel.h"

namespace panbo::interpose {

/// What became of the program's CREATE_BO calls.
struct BoCounts {
  uint64_t fresh = 0;
  uint64_t cached = 0;
  uint64_t waited = 0;
  uint64_t local = 0;
  uint64_t direct = 0;
  uint64_t failed = 0;
  /// Passed on to the kernel, which made it or refused to.
  uint64_t passed_on = 0;

  BoCounts& operator+=(const BoCounts& other);
};

/// Thread-safe.
class OpenFile {
 public:
  /// `fd` is ours, of the same open file as the program's, and not known to it.
  OpenFile(Kernel& kernel, int fd) : kernel_(kernel), fd_(fd) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] BoTable& bos() { return bos_; }
  [[nodiscard]] Kernel& kernel() { return kernel_; }

  /// Made when first asked for. nullptr: it could not be made, and will not be.
  panbo_client* client();

  // Before it is destroyed.

  /// Releases all BOs. In a forked child it only closes and frees what the child has of them.
  void close_client();
  void close_fd() { kernel_.close(fd_); }

  /// CREATE_BO went on to the kernel.
  void count_passed_on() { passed_on_.fetch_add(1, std::memory_order_relaxed); }
  BoCounts counts();

  // Around a fork, so that the child finds it whole.
  void lock();
  void unlock();

 private:
  Kernel& kernel_;
  const int fd_;
  BoTable bos_;
  std::atomic<uint64_t> passed_on_ = 0;
  std::mutex client_mutex_;
  bool connected_ = false;
  panbo_client* client_ = nullptr;
};

}  // namespace panbo::interpose
