#include "tests/board/panbod_rig.h"

#include <fstream>
#include <stdexcept>

namespace panbo::test {

void PanbodOnPanfrost::SetUp() {
  await("the BOs of the test before are gone", [this] {
    admin_.evict_all();
    const wire::Stats stats = admin_.stats();
    return stats.leased().count() + stats.draining().count() + stats.held().count() + stats.ready().count() == 0;
  });
}

pid_t PanbodOnPanfrost::daemon_pid() const {
  pid_t pid = 0;
  std::ifstream("/sys/fs/cgroup/system.slice/panbod.service/cgroup.procs") >> pid;
  if (pid == 0) throw std::runtime_error("panbod.service does not run");
  return pid;
}

void PanbodOnPanfrost::await_ready(uint64_t count) {
  await("BOs are ready", [&] { return admin_.stats().ready().count() == count; });
}

void PanbodOnPanfrost::await_held(uint64_t count) {
  await("BOs are held", [&] { return admin_.stats().held().count() == count; });
}

}  // namespace panbo::test
