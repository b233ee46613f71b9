#include "tests/bench/cpus.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace panbo::bench {
namespace {

cpu_set_t allowed() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof(set), &set) < 0) throw std::runtime_error("cannot tell which CPUs there are");
  return set;
}

}  // namespace

int nth_cpu(int n) {
  const cpu_set_t set = allowed();
  int first = -1;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &set)) continue;
    if (first < 0) first = cpu;
    if (n-- == 0) return cpu;
  }
  return first;
}

void pin(pid_t thread, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (::sched_setaffinity(thread, sizeof(set), &set) < 0) {
    throw std::runtime_error("cannot pin a thread: " + std::string(std::strerror(errno)));
  }
}

pid_t thread_named(pid_t process, const std::string& name) {
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task")) {
    std::string comm;
    std::getline(std::ifstream(thread.path() / "comm"), comm);
    if (comm == name) return std::stoi(thread.path().filename());
  }
  throw std::runtime_error("there is no thread " + name);
}

KeepAffinity::KeepAffinity() : before_(allowed()) {
}

KeepAffinity::~KeepAffinity() {
  ::sched_setaffinity(0, sizeof(before_), &before_);
}

}  // namespace panbo::bench
