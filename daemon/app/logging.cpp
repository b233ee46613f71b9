// Under systemd the journal adds time, process and priority by itself; a terminal gets them in front of each line.
//
// JOURNAL_STREAM (systemd.exec(5)) alone tells little: programs that a service starts, such as a terminal's shell,
// inherit it. So it has to name our stderr.
//
// libprotobuf would report on stderr what a client sent in a wrong form. The transport does so itself, once.

#include "daemon/app/logging.h"

#include <google/protobuf/stubs/logging.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/systemd_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

namespace panbo {

bool stderr_is_the_journal() {
  const char* const stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  return stream != nullptr && ::fstat(STDERR_FILENO, &status) == 0 &&
         fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

void start_logging() {
  google::protobuf::SetLogHandler(nullptr);
  if (stderr_is_the_journal()) {
    spdlog::set_default_logger(spdlog::systemd_logger_st("panbod"));
    spdlog::set_pattern("%v");
  } else {
    spdlog::set_default_logger(spdlog::stderr_color_st("panbod"));
    spdlog::set_pattern("%H:%M:%S.%e %^%l%$ %v");
  }
}

void set_log_level(const std::string& level) {
  spdlog::set_level(spdlog::level::from_str(level));
}

}  // namespace panbo
