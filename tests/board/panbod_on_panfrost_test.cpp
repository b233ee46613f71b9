// panbod on the real driver: what becomes of a BO that is released while somebody still uses it, in whichever way.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>

#include "tests/board/gpu_file.h"
#include "tests/board/panbod_rig.h"
#include "tests/support/in_child.h"
#include "tests/support/strace.h"

namespace panbo::test {
namespace {

constexpr uint64_t kSize = 64 * 1024;
constexpr uid_t kOtherUser = 1000;

bool has(const std::string& line, std::string_view text) {
  return line.find(text) != std::string::npos;
}

TEST_F(PanbodOnPanfrost, RunsOnTheRealDriver) {
  const wire::Stats stats = admin_.stats();
  EXPECT_EQ(stats.backend(), "panfrost");
  EXPECT_TRUE(stats.driver().starts_with("panfrost 1.")) << stats.driver();
  EXPECT_TRUE(stats.node().starts_with("/dev/dri/renderD")) << stats.node();
}

TEST_F(PanbodOnPanfrost, AReleasedBoServesTheNextClient) {
  Client first("first");
  panbo_bo* bo = first.alloc(kSize);
  EXPECT_EQ(panbo_bo_get_origin(bo), PANBO_ORIGIN_FRESH);
  const uint64_t inode = inode_of(bo);
  void* memory = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, panbo_bo_get_fd(bo), 0);
  ASSERT_NE(memory, MAP_FAILED);
  EXPECT_EQ(*static_cast<char*>(memory), 0);
  *static_cast<char*>(memory) = 'p';
  ::munmap(memory, kSize);
  first.release(bo);
  await_ready(1);

  Client second("second");
  panbo_bo* again = second.alloc(kSize - 1);
  EXPECT_EQ(panbo_bo_get_origin(again), PANBO_ORIGIN_CACHED);
  EXPECT_EQ(inode_of(again), inode);
  memory = ::mmap(nullptr, kSize, PROT_READ, MAP_SHARED, panbo_bo_get_fd(again), 0);
  ASSERT_NE(memory, MAP_FAILED);
  EXPECT_EQ(*static_cast<char*>(memory), 'p');
  ::munmap(memory, kSize);
}

TEST_F(PanbodOnPanfrost, ABusyBoIsLentWhenItsJobHasEndedAndTheDaemonSleepsUntilThen) {
  Client client("client");
  panbo_bo* bo = client.alloc(kSize);
  const uint64_t inode = inode_of(bo);
  GpuFile gpu;
  const uint32_t handle = gpu.import(panbo_bo_get_fd(bo));
  // A BO of the test's own with the same job: it is idle when the other one is.
  const uint32_t witness = *gpu.create(4096);

  Strace trace(daemon_pid());
  gpu.submit({handle, witness});
  gpu.close(handle);
  client.release(bo);
  panbo_bo* other = client.alloc(kSize);
  EXPECT_EQ(panbo_bo_get_origin(other), PANBO_ORIGIN_FRESH);
  EXPECT_NE(inode_of(other), inode);
  EXPECT_EQ(gpu.wait(witness, 0).error(), Errno{EBUSY}) << "the job was still running when the other BO was lent";
  ASSERT_TRUE(gpu.wait(witness, monotonic_ns(std::chrono::minutes(1))));
  await_ready(1);
  const auto lines = trace.stop();

  panbo_bo* again = client.alloc(kSize);
  EXPECT_EQ(panbo_bo_get_origin(again), PANBO_ORIGIN_CACHED);
  EXPECT_EQ(inode_of(again), inode);

  // From the answer to the second request on until the daemon asks who holds the BO (it opens its fdinfo), it waits in
  // the event loop, without a time-out.
  std::string all;
  for (const std::string& line : lines) all += line + "\n";
  const auto answered = std::find_if(lines.begin(), lines.end(), [](const auto& l) { return has(l, "sendmsg("); });
  ASSERT_NE(answered, lines.end());
  const auto asked = std::find_if(answered, lines.end(), [](const auto& l) { return has(l, "openat("); });
  ASSERT_NE(asked, lines.end()) << all;
  std::string window;
  for (auto line = answered; line != asked; ++line) window += *line + "\n";
  // It sleeps, also for the watchdog's ping. Before and after each turn it looks at its sockets without waiting, and
  // once at which BOs are idle.
  const auto looks = std::count_if(answered, asked, [](const auto& l) { return has(l, "epoll_pwait("); });
  EXPECT_LE(looks, 8) << window;
  const auto waits = std::count_if(answered, asked,
                                   [](const auto& l) { return has(l, "epoll_pwait(") && has(l, ", -1, NULL"); });
  EXPECT_GE(waits, 1) << window;
  EXPECT_LE(waits, 4) << window;
  EXPECT_TRUE(std::any_of(answered, asked, [](const auto& l) { return has(l, ", -1, NULL"); })) << window;
  for (const char* other_wait : {"nanosleep", "ppoll", "pselect", "WAIT_BO"}) {
    EXPECT_FALSE(has(window, other_wait)) << window;
  }
}

TEST_F(PanbodOnPanfrost, AJobOfAClientThatHasGoneIsWaitedFor) {
  GpuFile gpu;
  const uint32_t witness = *gpu.create(4096);
  uint64_t inode = 0;
  {
    Client client("client");
    panbo_bo* bo = client.alloc(kSize);
    inode = inode_of(bo);
    const uint32_t handle = gpu.import(panbo_bo_get_fd(bo));
    gpu.submit({handle, witness});
    gpu.close(handle);
  }
  Client next("next");
  EXPECT_NE(inode_of(next.alloc(kSize)), inode);
  ASSERT_TRUE(gpu.wait(witness, monotonic_ns(std::chrono::minutes(1))));
  await_ready(1);
  EXPECT_EQ(inode_of(next.alloc(kSize)), inode);
}

/// Keeps something of a BO beyond its release, and lets go.
struct Keeper {
  const char* name;
  std::function<std::shared_ptr<void>(int bo_fd)> keep;
};

class KeptBo : public PanbodOnPanfrost, public testing::WithParamInterface<Keeper> {};

TEST_P(KeptBo, fault_21_is_not_lent_until_it_is_let_go) {
  Client client("client");
  panbo_bo* bo = client.alloc(kSize);
  const uint64_t inode = inode_of(bo);
  std::shared_ptr<void> kept = GetParam().keep(panbo_bo_get_fd(bo));
  ASSERT_NE(kept, nullptr);
  client.release(bo);
  await_held(1);
  EXPECT_NE(inode_of(client.alloc(kSize)), inode);
  kept.reset();
  await_ready(1);
  EXPECT_EQ(inode_of(client.alloc(kSize)), inode);
}

const Keeper kKeepers[] = {
    {"Fd", [](int fd) { return std::make_shared<UniqueFd>(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }},
    {"Import",
     [](int fd) {
       auto gpu = std::make_shared<GpuFile>();
       gpu->import(fd);
       return gpu;
     }},
    {"Mapping",
     [](int fd) -> std::shared_ptr<void> {
       void* memory = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
       if (memory == MAP_FAILED) return nullptr;
       return {memory, [](void* m) { ::munmap(m, kSize); }};
     }},
    {"FdInASocket",
     [](int fd) -> std::shared_ptr<void> {
       int ends[2];
       if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return nullptr;
       auto pair = std::make_shared<std::pair<UniqueFd, UniqueFd>>(UniqueFd(ends[0]), UniqueFd(ends[1]));
       const std::byte byte{};
       if (!send_packet(ends[0], {&byte, 1}, {&fd, 1}, 0)) return nullptr;
       return pair;
     }},
};

INSTANTIATE_TEST_SUITE_P(By, KeptBo, testing::ValuesIn(kKeepers), [](const auto& info) { return info.param.name; });

TEST_F(PanbodOnPanfrost, AnotherUserNeverGetsIt) {
  Client client("client");
  panbo_bo* bo = client.alloc(kSize);
  const uint64_t inode = inode_of(bo);
  client.release(bo);
  await_ready(1);
  struct Theirs {
    uint64_t inode;
    uint32_t origin;
  };
  const Theirs theirs = in_child([] {
    if (::setgid(kOtherUser) != 0 || ::setuid(kOtherUser) != 0) ::_exit(1);
    Client other("other");
    panbo_bo* got = other.alloc(kSize);
    return Theirs{inode_of(got), panbo_bo_get_origin(got)};
  });
  EXPECT_EQ(theirs.origin, PANBO_ORIGIN_FRESH);
  EXPECT_NE(theirs.inode, inode);
  EXPECT_EQ(inode_of(client.alloc(kSize)), inode);
}

TEST_F(PanbodOnPanfrost, fault_09_a_killed_client_leaves_no_lease) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    Client client("to be killed");
    for (int i = 0; i < 10; ++i) client.alloc(kSize);
    const char ready = 'r';
    if (::write(ends[1], &ready, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char ready = 0;
  ASSERT_EQ(::read(ends[0], &ready, 1), 1);
  EXPECT_EQ(admin_.stats().leased().count(), 10u);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  await_ready(10);
  EXPECT_EQ(admin_.stats().leased().count(), 0u);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(PanbodOnPanfrost, HeapsAreMadeAnewEachTime) {
  Client client("client");
  panbo_bo* heap = client.alloc(1, PANBO_BO_HEAP);
  EXPECT_EQ(panbo_bo_get_size(heap), uint64_t{2} << 20) << "heaps are made of 2 MiB";
  {
    GpuFile gpu;
    EXPECT_FALSE(gpu.map(gpu.import(panbo_bo_get_fd(heap)), 4096)) << "the CPU cannot map it";
  }
  client.release(heap);
  await("the heap is gone", [this] {
    const wire::Stats stats = admin_.stats();
    return stats.leased().count() + stats.draining().count() + stats.held().count() == 0;
  });
  EXPECT_EQ(admin_.stats().ready().count(), 0u);
  EXPECT_EQ(panbo_bo_get_origin(client.alloc(1, PANBO_BO_HEAP)), PANBO_ORIGIN_FRESH);
}

TEST_F(PanbodOnPanfrost, ExecutableBosAreAKindOfTheirOwn) {
  Client client("client");
  panbo_bo* code = client.alloc(kSize, PANBO_BO_EXECUTABLE);
  const uint64_t inode = inode_of(code);
  GpuFile gpu;
  const uint32_t handle = gpu.import(panbo_bo_get_fd(code));
  gpu.close(handle);
  client.release(code);
  await_ready(1);
  EXPECT_NE(inode_of(client.alloc(kSize)), inode);
  EXPECT_EQ(inode_of(client.alloc(kSize, PANBO_BO_EXECUTABLE)), inode);
}

}  // namespace
}  // namespace panbo::test
