// The event loop writes the log itself, so a write must not wait: a reader that hangs, a terminal that was stopped with
// Ctrl-S or a pager that nobody scrolls would hold up every client. There is no thread that waits instead: it would
// have to be waited for at the end.
//
// O_NONBLOCK belongs to the open file, which the daemon shares with the shell that started it. So a pipe or a terminal
// is opened once more through /proc. Where that is refused (another user's pipe), poll(2) says whether there is room
// for PIPE_BUF bytes. Regular files and the like never wait.

#include "daemon/app/log_sink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

namespace panbo {
namespace {

/// As syslog(3) counts them.
char priority_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::critical:
      return '2';
    case spdlog::level::err:
      return '3';
    case spdlog::level::warn:
      return '4';
    case spdlog::level::info:
      return '6';
    default:
      return '7';
  }
}

std::string_view colour_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::critical:
    case spdlog::level::err:
      return "\033[31m\033[1m";
    case spdlog::level::warn:
      return "\033[33m\033[1m";
    case spdlog::level::info:
      return "\033[32m";
    default:
      return "\033[36m";
  }
}

constexpr std::string_view kEndOfColour = "\033[m";

}  // namespace

LogSink::LogSink(int fd, Form form) : form_(form), fd_(fd) {
  struct stat status {};
  if (::fstat(fd, &status) < 0) return;
  if (S_ISSOCK(status.st_mode)) {
    way_ = Way::kSend;
  } else if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)) {
    own_.reset(::open(fmt::format("/proc/self/fd/{}", fd).c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (own_.valid()) {
      fd_ = own_.get();
    } else {
      way_ = Way::kPollFirst;
    }
  }
}

void LogSink::sink_it_(const spdlog::details::log_msg& message) {
  if (left_out_ > 0) {
    const std::string text = fmt::format("{} lines were left out, since nobody read the log", left_out_);
    if (put(line_of({message.logger_name, spdlog::level::warn, text}))) left_out_ = 0;
  }
  if (left_out_ > 0 || !put(line_of(message))) ++left_out_;
}

std::string LogSink::line_of(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t buffer;
  formatter_->format(message, buffer);
  std::string line(buffer.data(), buffer.size());
  if (form_ == Form::kJournal) line.insert(0, {'<', priority_of(message.level), '>'});
  if (form_ == Form::kColour) {
    line.insert(message.color_range_end, kEndOfColour);
    line.insert(message.color_range_start, colour_of(message.level));
  }
  return line;
}

/// Returns whether the line was taken: a part is enough, the rest comes before the next line.
bool LogSink::put(std::string line) {
  if (!put_rest()) return false;
  const size_t size = line.size();
  rest_ = std::move(line);
  put_rest();
  const bool taken = rest_.size() < size;
  if (!taken) rest_.clear();
  return taken;
}

/// Returns whether there is no rest any more.
bool LogSink::put_rest() {
  while (!rest_.empty()) {
    ssize_t n = -1;
    switch (way_) {
      case Way::kWrite:
        n = ::write(fd_, rest_.data(), rest_.size());
        break;
      case Way::kSend:
        n = ::send(fd_, rest_.data(), rest_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        break;
      case Way::kPollFirst: {
        pollfd room{.fd = fd_, .events = POLLOUT, .revents = 0};
        if (::poll(&room, 1, 0) != 1) return false;
        n = ::write(fd_, rest_.data(), std::min<size_t>(rest_.size(), PIPE_BUF));
        break;
      }
    }
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    rest_.erase(0, static_cast<size_t>(n));
  }
  return true;
}

}  // namespace panbo
