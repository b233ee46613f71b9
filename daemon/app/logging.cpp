// Under systemd the journal adds time, process and priority by itself; a terminal gets them in front of each line.
//
// JOURNAL_STREAM (systemd.exec(5)) alone tells little: programs that a service starts, such as a terminal's shell,
// inherit it. So it has to name our stderr. The journal gets its lines there too, like everybody, and not by
// sd_journal_send(3), which waits for it.
//
// libprotobuf would report on stderr what a client sent in a wrong form. The transport does so itself, once.

#include "daemon/app/logging.h"

#include <google/protobuf/stubs/logging.h>
#include <spdlog/details/os.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include "daemon/app/log_sink.h"

namespace panbo {

bool stderr_is_the_journal() {
  const char* const stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  return stream != nullptr && ::fstat(STDERR_FILENO, &status) == 0 &&
         fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

void start_logging() {
  google::protobuf::SetLogHandler(nullptr);
  const bool journal = stderr_is_the_journal();
  const bool colour = ::isatty(STDERR_FILENO) == 1 && spdlog::details::os::is_color_terminal();
  const auto form = journal ? LogSink::Form::kJournal : colour ? LogSink::Form::kColour : LogSink::Form::kPlain;
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("panbod", std::make_shared<LogSink>(STDERR_FILENO, form)));
  spdlog::set_pattern(journal ? "%v" : "%H:%M:%S.%e %^%l%$ %v");
}

void set_log_level(const std::string& level) {
  spdlog::set_level(spdlog::level::from_str(level));
}

}  // namespace panbo
