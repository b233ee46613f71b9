// PANBO_RECORD: writes what the program asks for and gives back into a trace file (proto/trace.proto,
// docs/traces.md). "%p" in the file's name is replaced by the process id.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "client/lib/fork_guard.h"
#include "proto/unique_fd.h"

namespace panbo {

/// Of a process, for all its clients. (The daemon has a Recorder of its own, in the same namespace.) Thread-safe. No
/// call fails: what goes wrong ends the recording with one line on stderr, and the program goes on.
class ProgramRecorder {
 public:
  /// nullptr: nothing is recorded. It lives as long as the process. A forked child has a recording of its own if the
  /// name has its process id, and none otherwise. May throw std::bad_alloc.
  static ProgramRecorder* of_this_process();

  /// Opens the file with the first event. `limit`: bytes that it may have.
  ProgramRecorder(ForkGuard guard, std::string path, uint64_t limit)
      : guard_(std::move(guard)), path_(std::move(path)), left_(limit) {}

  /// Returns the client's number.
  uint32_t arrive(std::string_view name) noexcept;
  void depart(uint32_t client) noexcept;
  /// Returns the BO's number.
  uint64_t alloc(uint32_t client, uint64_t size, uint32_t flags) noexcept;
  /// `busy`: a job uses the BO.
  void release(uint32_t client, uint64_t bo, bool busy) noexcept;

 private:
  /// Calls add(event), which writes what happened, and adds the event to the file.
  template <class Add>
  void append(uint32_t client, Add add) noexcept;
  bool start();
  void write(const std::string& field);
  void stop(int error);

  const ForkGuard guard_;
  const std::string path_;
  std::mutex mutex_;
  bool started_ = false;
  /// None: not started, or ended.
  UniqueFd fd_;
  uint64_t left_;
  /// Bytes that the file has.
  off_t size_ = 0;
  std::chrono::steady_clock::time_point last_;
  uint32_t clients_ = 0;
  uint64_t bos_ = 0;
};

}  // namespace panbo
