// A process that has no memory left: each allocation that a call makes fails in turn, and the call says so and has done
// nothing. In an executable of its own, whose operator new is also libpanbo's.

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <new>
#include <vector>

#include "client/include/panbo.h"
#include "tests/support/fake_daemon.h"

namespace {

constexpr int kNever = -1;
/// Allocations of this thread that still succeed.
thread_local int allocations_left = kNever;

void* allocate(size_t size) {
  if (allocations_left == 0) throw std::bad_alloc();
  if (allocations_left > 0) --allocations_left;
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// Not inlined: the compiler would see a new that ends in a free().
[[gnu::noinline]] void* operator new(size_t size) {
  return allocate(size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}

namespace panbo::test {
namespace {

/// Runs `call`, whose every allocation fails once, until it succeeds. Returns how often it failed.
template <class Call>
int fail_each_allocation_of(Call call) {
  for (int n = 0;; ++n) {
    allocations_left = n;
    const int status = call();
    allocations_left = kNever;
    if (status == 0) return n;
    EXPECT_EQ(status, -ENOMEM);
  }
}

TEST(MemoryTest, ACallThatHasNoMemoryDoesNothing) {
  FakeDaemon daemon;
  const panbo_client_options options{.struct_size = sizeof(options), .socket_path = daemon.socket_path().c_str()};
  panbo_client* client = nullptr;
  EXPECT_GT(fail_each_allocation_of([&] { return panbo_client_connect(&options, &client); }), 0);

  const std::vector<panbo_alloc_request> requests(3, {.struct_size = sizeof(panbo_alloc_request), .size = 4096});
  panbo_bo* bos[3] = {};
  const int failures = fail_each_allocation_of([&] {
    const int status = panbo_bo_alloc_batch(client, requests.data(), requests.size(), bos);
    EXPECT_EQ(bos[0] == nullptr, status < 0);
    return status;
  });
  EXPECT_GE(failures, 3);
  // The daemon was asked once, and what it granted is all there.
  int asked = 0;
  for (const wire::Envelope& request : daemon.seen().requests) asked += request.has_alloc();
  EXPECT_EQ(asked, 1);
  panbo_stats stats{.struct_size = sizeof(stats)};
  EXPECT_EQ(fail_each_allocation_of([&] { return panbo_client_get_stats(client, &stats); }), 0);
  EXPECT_EQ(stats.leased_count, 3u);
  // What gives memory back needs none.
  EXPECT_EQ(fail_each_allocation_of([&] { return panbo_bo_release(bos[0], 0); }), 0);
  panbo_client_close(client);
}

}  // namespace
}  // namespace panbo::test
