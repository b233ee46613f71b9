// The GEM handles of one DRM file that belong to panbo's BOs.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>

#include "client/include/panbo.h"

namespace panbo::interpose {

/// Whose a handle is.
///
///     kForeign ---lend()---> kProgram ---take_back()---> kLibrary ---lend()---> kProgram
///        ^                                                   |
///        +----------------------forget()---------------------+
enum class HandleUse {
  /// Not of a BO of ours: the kernel alone knows it.
  kForeign,
  /// The program got it from CREATE_BO and has not closed it.
  kProgram,
  /// The program has closed it, so that for the program there is no such handle. libpanbo keeps it open.
  kLibrary,
};

/// Thread-safe. No call out of here while the lock is held, so that libpanbo may call in from any thread.
class BoTable {
 public:
  BoTable() = default;
  BoTable(const BoTable&) = delete;
  BoTable& operator=(const BoTable&) = delete;

  /// The program gets `bo`, which is idle. False: no memory, and nothing has changed.
  [[nodiscard]] bool lend(panbo_bo* bo, uint32_t handle);

  /// The program closes the handle, which is in use kProgram: a BO and the flags to release it with.
  struct Released {
    panbo_bo* bo;
    uint32_t flags;
  };
  /// Nothing: the handle is in another use.
  std::optional<Released> take_back(uint32_t handle);

  /// The program closes the DRM file with all its handles: one after the other those that are shared, and nothing when
  /// there are no more. The others need no release of their own.
  std::optional<Released> take_back_shared();

  /// libpanbo closes the handle: to be called from on_drop. `user_data` is that of the BO, which lend() has set;
  /// nullptr if it never was lent.
  static void forget(void* user_data);

  [[nodiscard]] HandleUse use(uint32_t handle);

  /// As long as it is in use kProgram; nullptr if it is not.
  panbo_bo* bo(uint32_t handle);

  /// A job that uses these was submitted.
  void set_submitted(std::span<const uint32_t> handles);
  /// Others can use the BO, and submit jobs on it that are not seen here, until it is dropped.
  void set_shared(uint32_t handle);
  /// Whether no job can use the BO.
  bool is_idle(uint32_t handle);
  /// How often a job was submitted with the BO.
  uint64_t submissions(uint32_t handle);
  /// The kernel found the BO idle after `submissions` jobs.
  void set_idle(uint32_t handle, uint64_t submissions);

  /// Where the DRM file is to be mapped for the BO: the same as long as libpanbo keeps the handle. Nothing: not known.
  std::optional<uint64_t> mmap_offset(uint32_t handle);
  void set_mmap_offset(uint32_t handle, uint64_t offset);

  // Around a fork, so that the child finds it whole.
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  struct Entry {
    BoTable* table;
    uint32_t handle;
    panbo_bo* bo;
    HandleUse use = HandleUse::kProgram;
    bool shared = false;
    uint64_t submissions = 0;
    /// As many of them have ended.
    uint64_t ended = 0;
    std::optional<uint64_t> mmap_offset;
  };

  /// nullptr: it is not the program's. Under the lock.
  Entry* program_entry(uint32_t handle);
  void erase(uint32_t handle);

  std::mutex mutex_;
  /// Its entries are the BOs' user data, and so stay where they are.
  std::unordered_map<uint32_t, std::unique_ptr<Entry>> entries_;
};

}  // namespace panbo::interpose
