// What code under test logs, instead of the terminal.
#pragma once

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace panbo::test {

/// As long as it lives, it gets every record of spdlog's default logger.
class LogCapture {
 public:
  LogCapture() {
    auto logger = std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_st>(text_));
    logger->set_pattern("%l: %v");
    logger->set_level(spdlog::level::trace);
    spdlog::set_default_logger(std::move(logger));
  }
  ~LogCapture() { spdlog::set_default_logger(before_); }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  /// Each record as "level: text".
  [[nodiscard]] std::vector<std::string> lines() const {
    std::vector<std::string> lines;
    std::istringstream text(text_.str());
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }
  /// How many records have `part` in them.
  [[nodiscard]] size_t count(const std::string& part) const {
    size_t count = 0;
    for (const std::string& line : lines()) count += line.find(part) != std::string::npos ? 1 : 0;
    return count;
  }

 private:
  std::ostringstream text_;
  const std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
};

}  // namespace panbo::test
