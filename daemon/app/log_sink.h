// Writes the log's lines to a file descriptor, and never waits for whoever reads them.
#pragma once

#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "proto/unique_fd.h"

namespace panbo {

/// For one thread. What the reader does not take at once is left out and counted; as soon as there is room again a line
/// says how much is missing.
class LogSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  enum class Form {
    kPlain,
    /// With the level in colour.
    kColour,
    /// For the journal: each line begins with its priority (sd-daemon(3)).
    kJournal,
  };

  /// `fd` is borrowed. The process must ignore SIGPIPE.
  LogSink(int fd, Form form);

 private:
  /// How a write that does not wait is made.
  enum class Way {
    kWrite,
    kSend,
    /// Only after a look whether there is room.
    kPollFirst,
  };

  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}
  [[nodiscard]] std::string line_of(const spdlog::details::log_msg& message);
  bool put(std::string line);
  bool put_rest();

  const Form form_;
  /// Of the same pipe or terminal as fd_, but of our own: its O_NONBLOCK concerns nobody else. May be none.
  UniqueFd own_;
  int fd_;
  Way way_ = Way::kWrite;
  /// Of a line whose beginning was taken.
  std::string rest_;
  uint64_t left_out_ = 0;
};

}  // namespace panbo
