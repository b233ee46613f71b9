#include "tests/board/mesa/mesa_rig.h"

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace panbo::test {
namespace {

constexpr auto kLook = std::chrono::milliseconds(5);
constexpr const char* kQuickJobs = "/board/bin/panbo-quick-jobs.so";

uint64_t shared_memory() {
  std::ifstream file("/proc/meminfo");
  for (std::string name; file >> name; file.ignore(256, '\n')) {
    uint64_t kib = 0;
    if (name == "Shmem:" && file >> kib) return kib * 1024;
  }
  throw std::runtime_error("no Shmem in /proc/meminfo");
}

std::vector<std::string> scene_words(Cache cache, Jobs jobs, const std::vector<std::string>& words) {
  std::vector<std::string> all;
  if (cache == Cache::kPanbo) all = {"panbo-run", "--stats"};
  // In front of the driver, and behind panbo-run, which sees the jobs of the program.
  if (jobs == Jobs::kQuick) {
    const std::string preload = std::string("export LD_PRELOAD=${LD_PRELOAD:+$LD_PRELOAD:}") + kQuickJobs;
    all.insert(all.end(), {"sh", "-c", preload + "; exec \"$@\"", "sh"});
  }
  all.emplace_back("panbo-gl-check");
  all.insert(all.end(), words.begin(), words.end());
  return all;
}

std::vector<std::string> scene_environment() {
  return {"PAN_MESA_DEBUG=noafbc", "MESA_SHADER_CACHE_DISABLE=true"};
}

}  // namespace

Origins Origins::in(const std::string& text) {
  const size_t start = text.find("BOs: ");
  if (start == std::string::npos) throw std::runtime_error("panbo-run reports nothing: " + text);
  std::istringstream words(text.substr(start + 5));
  std::map<std::string, uint64_t> found;
  for (std::string part; std::getline(words, part, ',');) {
    std::istringstream pair(part);
    uint64_t count = 0;
    std::string name;
    pair >> count >> name;
    found[name] = count;
  }
  return {found.at("local"),  found.at("cached"), found.at("waited"), found.at("fresh"),
          found.at("direct"), found.at("passed"), found.at("failed")};
}

PeakMemory::PeakMemory()
    : before_(shared_memory()), peak_(before_), thread_([this] {
        while (!stopped_) {
          peak_ = std::max(peak_.load(), shared_memory());
          std::this_thread::sleep_for(kLook);
        }
      }) {
}

PeakMemory::~PeakMemory() {
  stop();
}

uint64_t PeakMemory::stop() {
  stopped_ = true;
  if (thread_.joinable()) thread_.join();
  return peak_ - before_;
}

Program start_scene(Cache cache, Jobs jobs, const std::vector<std::string>& words) {
  return Program(scene_words(cache, jobs, words), scene_environment());
}

std::map<unsigned long, int> ioctls_of_scene(Cache cache, const std::vector<std::string>& words, Ending& ending) {
  std::string log = "/tmp/ioctls-XXXXXX";
  const UniqueFd file(::mkstemp(log.data()));
  std::vector<std::string> all = {"strace",      "-f", "-qq",         "-X", "raw", "-e",
                                  "trace=ioctl", "-e", "signal=none", "-o", log};
  const auto scene = scene_words(cache, Jobs::kReal, words);
  all.insert(all.end(), scene.begin(), scene.end());
  ending = Program(all, scene_environment()).wait();
  std::map<unsigned long, int> counts;
  std::ifstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    const size_t request = line.find(", 0x", line.find("ioctl("));
    if (request != std::string::npos) ++counts[std::stoul(line.substr(request + 2), nullptr, 16)];
  }
  ::unlink(log.c_str());
  return counts;
}

}  // namespace panbo::test
