// A client of a fake daemon, with a fake DRM file or without, for tests of what it keeps and does.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <utility>
#include <vector>

#include "client/lib/client.h"
#include "tests/support/fake_daemon.h"
#include "tests/support/fake_drm_file.h"

namespace panbo::test {

class ClientRig : public testing::Test {
 protected:
  ~ClientRig() override { panbo_client_close(client_); }

  ClientSettings settings(uint32_t flags = 0, panbo_drop_fn on_drop = nullptr) {
    return {.socket_path = daemon_.socket_path(),
            .name = "test",
            .flags = flags,
            .drm = std::make_unique<FakeDrmFile>(kernel_),
            .on_drop = on_drop};
  }
  void connect(ClientSettings settings) {
    auto client = Client::connect(std::move(settings));
    ASSERT_TRUE(client) << client.error().message();
    client_ = client->release();
  }
  void close() { panbo_client_close(std::exchange(client_, nullptr)); }

  int try_alloc(uint64_t size, panbo_bo** out, uint32_t flags = 0) {
    const panbo_alloc_request request{.struct_size = sizeof(request), .flags = flags, .size = size};
    return panbo_bo_alloc(client_, &request, out);
  }
  panbo_bo* alloc(uint64_t size = 4096, uint32_t flags = 0) {
    panbo_bo* bo = nullptr;
    EXPECT_EQ(try_alloc(size, &bo, flags), 0);
    return bo;
  }
  static void release(panbo_bo* bo, uint32_t flags = PANBO_RELEASE_IDLE) { EXPECT_EQ(panbo_bo_release(bo, flags), 0); }

  static uint32_t handle_of(panbo_bo* bo) {
    uint32_t handle = 0;
    EXPECT_EQ(panbo_bo_get_handle(bo, &handle), 0);
    return handle;
  }

  panbo_stats stats() {
    panbo_stats stats{.struct_size = sizeof(stats)};
    EXPECT_EQ(panbo_client_get_stats(client_, &stats), 0);
    return stats;
  }

  /// Alloc requests that the daemon has seen, and how many extra leases the last one asked for.
  int asked() {
    int count = 0;
    for (const wire::Envelope& request : daemon_.seen().requests) count += request.has_alloc();
    return count;
  }
  uint32_t extra_asked() {
    uint32_t extra = 0;
    for (const wire::Envelope& request : daemon_.seen().requests) {
      if (request.has_alloc()) extra = request.alloc().items(0).extra();
    }
    return extra;
  }
  bool released(std::vector<uint64_t> leases) {
    return daemon_.becomes([&](const FakeDaemon::Seen& seen) { return seen.released == leases; });
  }

  /// The leases that were released as shared so far.
  std::vector<uint64_t> released_as_shared() {
    std::vector<uint64_t> leases;
    for (const wire::Envelope& request : daemon_.seen().requests) {
      const auto& ids = request.release().lease_ids();
      if (request.release().shared()) leases.insert(leases.end(), ids.begin(), ids.end());
    }
    return leases;
  }

  FakeDaemon daemon_;
  FakeDrmFile::Kernel kernel_;
  panbo_client* client_ = nullptr;
};

}  // namespace panbo::test
