#include "tests/board/panbod_rig.h"

#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace panbo::test {

Client::Client(const std::string& name, const std::string& socket_path) {
  panbo_client_options options{};
  options.struct_size = sizeof(options);
  options.socket_path = socket_path.empty() ? nullptr : socket_path.c_str();
  options.name = name.c_str();
  options.drm_fd = -1;
  panbo_client* client = nullptr;
  const int connected = panbo_client_connect(&options, &client);
  if (connected < 0) throw std::runtime_error("panbo_client_connect: " + Errno{-connected}.message());
  client_.reset(client);
}

int Client::try_alloc(uint64_t size, panbo_bo** out, uint32_t flags) {
  panbo_alloc_request request{};
  request.struct_size = sizeof(request);
  request.size = size;
  request.flags = flags;
  return panbo_bo_alloc(client_.get(), &request, out);
}

panbo_bo* Client::alloc(uint64_t size, uint32_t flags) {
  panbo_bo* bo = nullptr;
  const int allocated = try_alloc(size, &bo, flags);
  if (allocated < 0) throw std::runtime_error("panbo_bo_alloc: " + Errno{-allocated}.message());
  return bo;
}

uint64_t inode_of(const panbo_bo* bo) {
  struct stat status {};
  EXPECT_EQ(::fstat(panbo_bo_get_fd(bo), &status), 0);
  return status.st_ino;
}

void await(const std::string& what, const std::function<bool()>& happened) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (!happened()) {
    if (std::chrono::steady_clock::now() > limit) throw std::runtime_error("in vain: " + what);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

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
