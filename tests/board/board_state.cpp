#include "tests/board/board_state.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <stdexcept>

#include "tests/support/in_child.h"

namespace panbo::test {

uint64_t meminfo(std::string_view key) {
  std::ifstream file("/proc/meminfo");
  for (std::string name; file >> name;) {
    uint64_t kib;
    file >> kib;
    if (name.substr(0, name.size() - 1) == key) return kib * 1024;
    file.ignore(16, '\n');
  }
  throw std::runtime_error("no such value in /proc/meminfo");
}

void drop_caches() {
  const UniqueFd drop(::open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC));
  if (!drop.valid() || ::write(drop.get(), "3", 1) != 1) throw std::runtime_error("may not drop the kernel's caches");
}

bool press_memory(uint64_t beyond) {
  try {
    return in_child([beyond] {
      std::ofstream("/proc/self/oom_score_adj") << 1000;
      const uint64_t size = meminfo("MemAvailable") + beyond;
      void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
      return memory != MAP_FAILED;
    });
  } catch (const std::runtime_error&) {
    return false;
  }
}

KernelLog::KernelLog() : fd_(::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
  if (!fd_.valid() || ::lseek(fd_.get(), 0, SEEK_END) < 0) throw std::runtime_error("may not read the kernel's log");
}

bool KernelLog::has(std::string_view text) {
  // A read gives one message.
  std::array<char, 8192> message;
  for (;;) {
    const ssize_t n = ::read(fd_.get(), message.data(), message.size());
    if (n <= 0) break;
    text_.append(message.data(), static_cast<size_t>(n));
  }
  return text_.find(text) != std::string::npos;
}

}  // namespace panbo::test
