// Others who want the board's memory: a program that takes more and more of it, and one that goes on reading a file.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

namespace panbo::test {

/// A process that takes memory as fast as it can or at a pace, keeps it, and is the first that the kernel kills when
/// there is none.
class MemoryHog {
 public:
  enum class State { kTaking, kDone, kKilled };

  /// `bytes_per_second` 0: as fast as it can. Throws std::runtime_error.
  MemoryHog(uint64_t bytes, uint64_t bytes_per_second);
  /// Ends it.
  ~MemoryHog();
  MemoryHog(const MemoryHog&) = delete;
  MemoryHog& operator=(const MemoryHog&) = delete;

  [[nodiscard]] State state();
  [[nodiscard]] uint64_t taken() const { return progress_->taken; }
  /// What it took in a second, until now or until it had everything.
  [[nodiscard]] uint64_t pace() const;

 private:
  /// In memory that both processes see.
  struct Progress {
    std::atomic<uint64_t> taken;
    std::atomic<int64_t> ns;
  };
  [[noreturn]] static void take(Progress& progress, uint64_t bytes, uint64_t bytes_per_second);

  const uint64_t bytes_;
  Progress* progress_;
  pid_t pid_;
  bool killed_ = false;
};

/// A process that reads all of a file again and again: page cache that is in use.
class FileReader {
 public:
  /// Makes the file if it is not there. Returns when it was read once. Throws std::runtime_error.
  FileReader(const std::string& path, uint64_t bytes);
  /// Ends it; the file stays.
  ~FileReader();
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;

 private:
  pid_t pid_;
};

}  // namespace panbo::test
