// The files are opened for each look: a cgroup that systemd restarts a service in is another one by the same name.

#include "tests/board/memory_cgroup.h"

#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace panbo::test {
namespace {

std::string own_path() {
  std::string line;
  std::ifstream file("/proc/self/cgroup");
  while (std::getline(file, line) && !line.starts_with("0::")) continue;
  return "/sys/fs/cgroup" + line.substr(3);
}

void write(const std::string& file, const std::string& text) {
  std::ofstream stream(file);
  stream << text << std::flush;
  if (!stream) throw std::runtime_error("cannot write to " + file);
}

}  // namespace

uint64_t MemoryCgroupView::current() const {
  uint64_t bytes = 0;
  if (!(std::ifstream(path_ + "/memory.current") >> bytes)) throw std::runtime_error("no memory cgroup " + path_);
  return bytes;
}

uint64_t MemoryCgroupView::event(const std::string& name) const {
  std::ifstream file(path_ + "/memory.events");
  uint64_t count = 0;
  for (std::string key; file >> key >> count;) {
    if (key == name) return count;
  }
  throw std::runtime_error("no " + name + " in " + path_ + "/memory.events");
}

MemoryCgroup::MemoryCgroup() : MemoryCgroupView("/sys/fs/cgroup/panbo-test"), home_(own_path()) {
  std::filesystem::create_directory(path());
}

MemoryCgroup::~MemoryCgroup() {
  leave();
  ::rmdir(path().c_str());
}

void MemoryCgroup::enter(pid_t pid) {
  write(path() + "/cgroup.procs", std::to_string(pid));
}

void MemoryCgroup::leave(pid_t pid) {
  write(home_ + "/cgroup.procs", std::to_string(pid));
}

void MemoryCgroup::limit(uint64_t bytes) {
  write(path() + "/memory.max", std::to_string(bytes));
}

void MemoryCgroup::remove() {
  if (::rmdir(path().c_str()) != 0) throw std::runtime_error("rmdir: " + std::string(std::strerror(errno)));
}

}  // namespace panbo::test
