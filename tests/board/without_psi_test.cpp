// For a board that was booted with psi=0: panbod goes on with what is left, headroom and its own memory.events.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include "tests/board/memory_cgroup.h"
#include "tests/board/panbod_rig.h"
#include "tests/support/panbod_process.h"

namespace panbo::test {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

std::string journal_of_panbod() {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(
      ::popen("journalctl --boot --unit panbod.service --output cat --no-pager", "r"), &::pclose);
  std::string text;
  std::array<char, 4096> part;
  while (const size_t n = std::fread(part.data(), 1, part.size(), pipe.get())) text.append(part.data(), n);
  return text;
}

using PanbodWithoutPsi = PanbodOnPanfrost;

TEST_F(PanbodWithoutPsi, fault_28_serves_and_says_so_once) {
  ASSERT_FALSE(std::filesystem::exists("/proc/pressure/memory")) << "boot with psi=0";
  Client client("client");
  client.release(client.alloc(kMiB));
  const std::string journal = journal_of_panbod();
  EXPECT_EQ(count(journal, "tells nothing about memory pressure"), 1u) << journal;
  EXPECT_EQ(count(journal, "/proc/pressure/memory tells nothing"), 1u) << journal;
}

TEST(PanbodWithoutPsiInACgroup, fault_28_hears_of_its_own_limit) {
  MemoryCgroup cgroup;
  cgroup.enter();
  const PanbodProcess daemon("panfrost");
  cgroup.leave();
  WirePeer admin(daemon.admin_socket_path());
  Client client("client", daemon.socket_path());
  panbo_bo* bo = client.alloc(kMiB / 4);
  // panbod itself stays away from the limit. Somebody in the same cgroup who reads much comes to it, and harmlessly so.
  cgroup.limit(cgroup.current() + 8 * kMiB);
  cgroup.enter();
  std::ifstream disk("/dev/vda");
  std::vector<char> part(kMiB);
  for (int i = 0; i < 64; ++i) disk.read(part.data(), static_cast<std::streamsize>(part.size()));
  cgroup.leave();
  await("memory.events was heard", [&] { return count(daemon.log(), "memory pressure: full") > 0; });
  EXPECT_EQ(cgroup.event("oom_kill"), 0u);

  // Its cgroup is removed: nothing more to hear, and nothing else changes.
  client.release(bo);
  cgroup.leave(daemon.pid());
  cgroup.remove();
  await("it serves on", [&] { return client.try_alloc(kMiB / 4, &bo) == 0; });
}

}  // namespace
}  // namespace panbo::test
