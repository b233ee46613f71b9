// Processes append to the log when they are done with taking the time, so lines of two processes may have changed
// places by a little; those of one never do.

#include "tests/replay/mesa_log.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <utility>

#include "daemon/service/alloc_flags.h"
#include "proto/panfrost_uapi.h"

namespace panbo::replay {
namespace {

struct Line {
  int64_t at = 0;
  int64_t process = 0;
  std::string what;
  /// What follows.
  std::string rest;
  size_t number = 0;
};

uint32_t flags_of(uint32_t kernel_flags) {
  if ((kernel_flags & uapi::kBoHeap) != 0) return kAllocHeap;
  return (kernel_flags & uapi::kBoNoexec) != 0 ? 0 : kAllocExecutable;
}

class LogReader {
 public:
  LogReader(std::istream& log, std::string name) : log_(log), name_(std::move(name)) {}

  Trace read() {
    const std::vector<Line> lines = lines_in_order();
    Trace trace;
    for (const Line& line : lines) {
      Event event = event_of(line);
      event.at = std::chrono::nanoseconds(line.at - lines.front().at);
      trace.events.push_back(std::move(event));
    }
    return trace;
  }

 private:
  [[noreturn]] void fail(const Line& line, const char* why) const {
    throw TraceError(name_ + ": line " + std::to_string(line.number) + ": " + why);
  }

  std::vector<Line> lines_in_order() {
    std::vector<Line> lines;
    for (std::string text; std::getline(log_, text);) {
      Line& line = lines.emplace_back();
      line.number = lines.size();
      std::istringstream words(text);
      if (!(words >> line.at >> line.process >> line.what)) fail(line, "not an event");
      std::getline(words >> std::ws, line.rest);
    }
    std::stable_sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) { return a.at < b.at; });
    return lines;
  }

  Event event_of(const Line& line) {
    std::istringstream words(line.rest);
    if (line.what == "arrive") {
      clients_[line.process] = ++newest_client_;
      return {.client = newest_client_, .what = Arrive{.name = line.rest, .uid = kUser}};
    }
    const auto client = clients_.find(line.process);
    if (client == clients_.end()) fail(line, "a process that did not arrive");
    Event event{.client = client->second};
    std::pair<int64_t, uint64_t> bo{line.process, 0};
    if (line.what == "depart") {
      clients_.erase(client);
      event.what = Depart{};
    } else if (Alloc alloc; line.what == "alloc" && words >> bo.second >> alloc.size >> alloc.flags) {
      alloc.bo = bos_[bo] = ++newest_bo_;
      alloc.flags = flags_of(alloc.flags);
      event.what = alloc;
    } else if (bool busy = false; line.what == "release" && words >> bo.second >> busy) {
      const auto lent = bos_.extract(bo);
      if (lent.empty()) fail(line, "a BO that the process has not got");
      event.what = Release{.bo = lent.mapped(), .busy = busy};
    } else {
      fail(line, "not an event");
    }
    return event;
  }

  static constexpr uint32_t kUser = 1000;

  std::istream& log_;
  const std::string name_;
  uint32_t newest_client_ = 0;
  uint64_t newest_bo_ = 0;
  /// By process.
  std::map<int64_t, uint32_t> clients_;
  /// By process and its number for the BO.
  std::map<std::pair<int64_t, uint64_t>, uint64_t> bos_;
};

}  // namespace

Trace read_mesa_log(std::istream& log, const std::string& name) {
  return LogReader(log, name).read();
}

}  // namespace panbo::replay
