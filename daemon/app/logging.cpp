// Under systemd the journal adds time, process and priority by itself; a terminal gets them in front of each line.

#include "daemon/app/logging.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/systemd_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

namespace panbo {
namespace {

// systemd.exec(5), JOURNAL_STREAM: the variable is inherited, so it has to name our stderr.
bool stderr_is_the_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  return stream != nullptr && ::fstat(STDERR_FILENO, &status) == 0 &&
         fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

}  // namespace

void start_logging() {
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
