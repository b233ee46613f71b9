// The C ABI: what a caller may pass, and what it gets for it.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "client/lib/client.h"
#include "tests/support/fake_daemon.h"
#include "tests/support/fds.h"

namespace panbo::test {
namespace {

class ApiTest : public testing::Test {
 protected:
  ~ApiTest() override { panbo_client_close(client_); }

  panbo_client_options options() {
    return {.struct_size = sizeof(panbo_client_options), .socket_path = daemon_.socket_path().c_str(), .name = "test"};
  }
  void connect() {
    const auto given = options();
    ASSERT_EQ(panbo_client_connect(&given, &client_), 0);
  }
  panbo_bo* alloc() {
    const panbo_alloc_request request{.struct_size = sizeof(request), .size = 4096};
    panbo_bo* bo = nullptr;
    EXPECT_EQ(panbo_bo_alloc(client_, &request, &bo), 0);
    return bo;
  }
  int alloc_status(panbo_alloc_request request) {
    panbo_bo* bo = nullptr;
    const int status = panbo_bo_alloc(client_, &request, &bo);
    EXPECT_EQ(bo == nullptr, status < 0);
    return status;
  }

  FakeDaemon daemon_;
  panbo_client* client_ = nullptr;
};

/// What a program compiled with a newer header passes.
template <class T>
struct Newer {
  T known{};
  uint64_t unknown[2] = {};
};

TEST_F(ApiTest, TellsItsVersion) {
  EXPECT_EQ(panbo_version(), PANBO_VERSION_MAJOR << 16 | PANBO_VERSION_MINOR << 8 | PANBO_VERSION_PATCH);
}

TEST_F(ApiTest, TakesTheSocketFromTheEnvironment) {
  ::setenv("PANBO_SOCKET", daemon_.socket_path().c_str(), 1);
  EXPECT_EQ(panbo_client_connect(nullptr, &client_), 0);
  ::unsetenv("PANBO_SOCKET");
  // And its name from the program.
  EXPECT_EQ(daemon_.seen().requests.at(0).hello().name(), program_invocation_short_name);
}

TEST_F(ApiTest, SaysWhyItCannotConnect) {
  auto given = options();
  given.socket_path = "/nowhere/panbo.sock";
  EXPECT_EQ(panbo_client_connect(&given, &client_), -ENOENT);
  const std::string long_path(200, 'x');
  given.socket_path = long_path.c_str();
  EXPECT_EQ(panbo_client_connect(&given, &client_), -ENAMETOOLONG);
  given = options();
  given.flags = 1u << 31;
  EXPECT_EQ(panbo_client_connect(&given, &client_), -EINVAL);
  EXPECT_EQ(client_, nullptr);
}

TEST_F(ApiTest, PassesOnWhyTheDaemonRefusedIt) {
  daemon_.follow([](FakeDaemon::Peer& peer, const wire::Envelope& request) {
    peer.fail(request.request_id(), wire::FAILURE_VERSION);
    peer.hang_up();
    return true;
  });
  const int fds = open_fds();
  const auto given = options();
  EXPECT_EQ(panbo_client_connect(&given, &client_), -EPROTONOSUPPORT);
  EXPECT_TRUE(daemon_.becomes([](const FakeDaemon::Seen& seen) { return seen.disconnects == 1; }));
  EXPECT_EQ(open_fds(), fds);
}

TEST_F(ApiTest, RefusesADaemonOfAnotherVersion) {
  daemon_.follow([](FakeDaemon::Peer& peer, const wire::Envelope& request) {
    wire::Envelope answer;
    answer.set_request_id(request.request_id());
    answer.mutable_welcome()->set_protocol_version(2);
    peer.send(answer);
    return true;
  });
  const auto given = options();
  EXPECT_EQ(panbo_client_connect(&given, &client_), -EPROTONOSUPPORT);
}

TEST_F(ApiTest, TakesOptionsOfANewerHeader) {
  Newer<panbo_client_options> newer{.known = options()};
  newer.known.struct_size = sizeof(newer);
  newer.unknown[1] = 1;
  EXPECT_EQ(panbo_client_connect(&newer.known, &client_), -E2BIG);
  newer.unknown[1] = 0;
  EXPECT_EQ(panbo_client_connect(&newer.known, &client_), 0);
}

TEST_F(ApiTest, RefusesOptionsThatAreTooShort) {
  auto given = options();
  for (const uint32_t size : {0u, 4u, static_cast<uint32_t>(offsetof(panbo_client_options, drm_fd))}) {
    given.struct_size = size;
    EXPECT_EQ(panbo_client_connect(&given, &client_), -EINVAL) << size;
  }
  // Never as many bytes as this are read.
  given.struct_size = UINT32_MAX;
  EXPECT_EQ(panbo_client_connect(&given, &client_), -E2BIG);
}

TEST_F(ApiTest, RefusesRequestsThatMakeNoSense) {
  connect();
  EXPECT_EQ(alloc_status({.struct_size = sizeof(panbo_alloc_request) - 1, .size = 1}), -EINVAL);
  EXPECT_EQ(alloc_status({.struct_size = sizeof(panbo_alloc_request), .flags = 1u << 31, .size = 1}), -EINVAL);
  const panbo_alloc_request request{.struct_size = sizeof(request), .size = 1};
  panbo_bo* bo = nullptr;
  EXPECT_EQ(panbo_bo_alloc_batch(client_, &request, 0, &bo), -EINVAL);
  EXPECT_EQ(panbo_bo_alloc_batch(client_, &request, limits::kMaxBatch + 1, &bo), -EINVAL);
  EXPECT_EQ(bo, nullptr);
  EXPECT_EQ(daemon_.seen().requests.size(), 1u);
}

TEST_F(ApiTest, WalksABatchInStepsOfTheCallersStruct) {
  connect();
  Newer<panbo_alloc_request> requests[2];
  for (auto& request : requests) request.known.struct_size = sizeof(request);
  requests[0].known.size = 4096;
  requests[1].known.size = 8192;
  panbo_bo* bos[2];
  ASSERT_EQ(panbo_bo_alloc_batch(client_, &requests[0].known, 2, bos), 0);
  EXPECT_EQ(panbo_bo_get_size(bos[0]), 4096u);
  EXPECT_EQ(panbo_bo_get_size(bos[1]), 8192u);
  requests[1].unknown[0] = 1;
  EXPECT_EQ(panbo_bo_alloc_batch(client_, &requests[0].known, 2, bos), -E2BIG);
}

TEST_F(ApiTest, RefusesABatchOfDifferentStructs) {
  connect();
  Newer<panbo_alloc_request> requests[2];
  for (auto& request : requests) request.known = {.struct_size = sizeof(request), .size = 4096};
  requests[1].known.struct_size -= 8;
  panbo_bo* bos[2];
  EXPECT_EQ(panbo_bo_alloc_batch(client_, &requests[0].known, 2, bos), -EINVAL);
}

TEST_F(ApiTest, ANegativeTimeoutIsTheLongest) {
  connect();
  EXPECT_EQ(alloc_status({.struct_size = sizeof(panbo_alloc_request), .size = 1, .timeout_ns = -1}), 0);
  EXPECT_EQ(daemon_.seen().requests.back().alloc().timeout_ns(), static_cast<uint64_t>(INT64_MAX));
}

TEST_F(ApiTest, FillsInAsMuchOfTheStatsAsTheCallerKnows) {
  connect();
  alloc();
  Newer<panbo_stats> newer{.unknown = {1, 1}};
  std::memset(&newer.known, 0xff, sizeof(newer.known));
  newer.known.struct_size = sizeof(newer);
  ASSERT_EQ(panbo_client_get_stats(client_, &newer.known), 0);
  EXPECT_EQ(newer.known.struct_size, sizeof(newer));
  EXPECT_EQ(newer.known.reserved, 0u);
  EXPECT_EQ(newer.known.leased_count, 1u);
  EXPECT_EQ(newer.known.leased_bytes, 4096u);
  EXPECT_EQ(newer.known.failed, 0u);
  EXPECT_EQ(newer.unknown[0], 0u);
  EXPECT_EQ(newer.unknown[1], 0u);
  panbo_stats shorter{.struct_size = offsetof(panbo_stats, failed), .fresh = 77};
  EXPECT_EQ(panbo_client_get_stats(client_, &shorter), -EINVAL);
  EXPECT_EQ(shorter.fresh, 77u);
}

TEST_F(ApiTest, WaitsUntilTheBoIsIdle) {
  connect();
  // A pipe stands in for a dma-buf: what is full is busy.
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  const UniqueFd reader(ends[0]);
  panbo_bo bo(*client_);
  bo.backing.keep_fd(UniqueFd(ends[1]));
  EXPECT_EQ(panbo_bo_wait(&bo, 0), 0);
  const std::vector<char> bytes(1 << 16);
  while (::write(ends[1], bytes.data(), bytes.size()) > 0) continue;
  EXPECT_EQ(panbo_bo_wait(&bo, 0), -ETIMEDOUT);
  EXPECT_EQ(panbo_bo_wait(&bo, 1'000'000), -ETIMEDOUT);
  std::thread job([&] {
    std::vector<char> read(1 << 20);
    EXPECT_GT(::read(reader.get(), read.data(), read.size()), 0);
  });
  EXPECT_EQ(panbo_bo_wait(&bo, -1), 0);
  job.join();
}

TEST_F(ApiTest, ReleasesABoEvenWithUnknownFlags) {
  connect();
  panbo_bo* bo = alloc();
  EXPECT_EQ(panbo_bo_release(bo, 1u << 31), -EINVAL);
  EXPECT_TRUE(daemon_.becomes([](const FakeDaemon::Seen& seen) { return seen.released.size() == 1; }));
  EXPECT_EQ(panbo_bo_release(nullptr, 0), 0);
  panbo_client_close(nullptr);
}

TEST_F(ApiTest, ItsFdTellsWhenThereIsSomethingToDispatch) {
  connect();
  EXPECT_FALSE(is_readable(panbo_client_get_fd(client_)));
  wire::Envelope event;
  event.mutable_pressure_event()->set_level(wire::PRESSURE_LEVEL_FULL);
  daemon_.broadcast(event);
  EXPECT_TRUE(becomes_readable(panbo_client_get_fd(client_)));
  EXPECT_EQ(panbo_client_dispatch(client_, 0), 1);
  EXPECT_EQ(panbo_client_dispatch(client_, 0), 0);
}

/// Runs `child` in a forked process. True: it returned true.
bool holds_in_child(const std::function<bool()>& child) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(child() ? 0 : 1);
  int status = -1;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST_F(ApiTest, AForkedChildsCopyIsDead) {
  connect();
  panbo_bo* bo = alloc();
  panbo_bo* other = alloc();
  EXPECT_TRUE(holds_in_child([&] {
    const panbo_alloc_request request{.struct_size = sizeof(request), .size = 4096};
    panbo_bo* none = nullptr;
    panbo_stats stats{.struct_size = sizeof(stats)};
    const int fd = *bo->backing.fd();
    return panbo_bo_alloc(client_, &request, &none) == -EOWNERDEAD && none == nullptr &&
           panbo_client_dispatch(client_, 0) == -EOWNERDEAD && panbo_client_get_fd(client_) == -EOWNERDEAD &&
           panbo_client_get_stats(client_, &stats) == -EOWNERDEAD && panbo_bo_get_fd(bo) == -EOWNERDEAD &&
           panbo_bo_wait(bo, 0) == -EOWNERDEAD && panbo_bo_get_size(bo) == 4096 &&
           panbo_bo_release(bo, 0) == -EOWNERDEAD && ::fcntl(fd, F_GETFD) < 0;
  }));
  EXPECT_TRUE(holds_in_child([&] {
    const int fds[] = {panbo_client_get_fd(client_), *other->backing.fd()};
    panbo_client_close(client_);
    return ::fcntl(fds[0], F_GETFD) < 0 && ::fcntl(fds[1], F_GETFD) < 0;
  }));
  // The parent's is as it was.
  const auto seen = daemon_.seen();
  EXPECT_TRUE(seen.released.empty());
  EXPECT_EQ(seen.disconnects, 0);
  EXPECT_EQ(panbo_bo_release(bo, 0), 0);
  EXPECT_TRUE(daemon_.becomes([](const FakeDaemon::Seen& now) { return now.released.size() == 1; }));
}

TEST_F(ApiTest, AForkedChildCanConnectForItself) {
  connect();
  EXPECT_TRUE(holds_in_child([&] {
    const auto given = options();
    panbo_client* own = nullptr;
    if (panbo_client_connect(&given, &own) != 0) return false;
    client_ = own;
    return alloc() != nullptr;
  }));
}

TEST_F(ApiTest, ClosingEndsTheConnectionAlthoughAChildHasTheSocketOpen) {
  connect();
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    // Lives until the test has seen what it wants.
    char byte;
    ::close(ends[1]);
    ::_exit(::read(ends[0], &byte, 1) == 0 ? 0 : 1);
  }
  panbo_client_close(std::exchange(client_, nullptr));
  EXPECT_TRUE(daemon_.becomes([](const FakeDaemon::Seen& seen) { return seen.disconnects == 1; }));
  ::close(ends[1]);
  ::close(ends[0]);
  int status;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
}

}  // namespace
}  // namespace panbo::test
