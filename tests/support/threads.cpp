#include "tests/support/threads.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

namespace panbo::test {

bool other_threads_wait() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return std::ranges::all_of(tasks, [self = std::to_string(::gettid())](const auto& task) {
    std::ifstream file(task.path() / "stat");
    std::string stat;
    std::getline(file, stat);
    // The state is what follows the name, which may have anything in it.
    const size_t name_end = stat.rfind(')');
    return task.path().filename() == self || (name_end != std::string::npos && stat.compare(name_end, 3, ") S") == 0);
  });
}

}  // namespace panbo::test
