// Writes a trace file: proto/trace.proto says what is in it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/core/clock.h"
#include "proto/result.h"
#include "proto/unique_fd.h"
#include "trace.pb.h"

namespace panbo {

/// Collects events and writes them in large pieces, each of whole events. Not thread-safe.
class TraceWriter {
 public:
  /// Creates the file or empties it. `recorder` is for people; `limit`: bytes that the file may have.
  /// Errors: those of open(2).
  static Result<TraceWriter> create(const std::string& path, const std::string& recorder, uint64_t limit = UINT64_MAX);

  TraceWriter(TraceWriter&&) = default;
  TraceWriter& operator=(TraceWriter&&) = delete;
  /// Flushes.
  ~TraceWriter();

  /// Adds an event, whose delta_ns is set here: `at` is the time since the recording began, never earlier than before.
  /// Errors: EFBIG the file has reached its limit; those of write(2). Whatever fails ends the file, behind the last
  /// event that could be written as a whole, and every later call gives the same error.
  Result<void> append(trace::Event& event, Duration at);

  /// Writes out what was collected. Errors as for append().
  Result<void> flush();

 private:
  TraceWriter(UniqueFd fd, uint64_t limit) : fd_(std::move(fd)), left_(limit) {}
  Result<void> collect(uint32_t field, const google::protobuf::MessageLite& message);

  UniqueFd fd_;
  /// Bytes that the file may still grow by, what is collected included.
  uint64_t left_;
  std::string collected_;
  /// Where in there the events end.
  std::vector<size_t> ends_;
  /// Bytes that the file has.
  off_t size_ = 0;
  Duration last_{};
  /// What ended the file.
  Result<void> state_;
};

}  // namespace panbo
