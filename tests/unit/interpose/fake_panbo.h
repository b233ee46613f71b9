// A libpanbo without a daemon, for the tests of what calls it: defines the functions of panbo.h that panbo-run uses.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "client/include/panbo.h"

struct panbo_bo {
  uint32_t handle;
  uint64_t size;
  uint32_t flags;
  void* user_data = nullptr;
};

namespace panbo::interpose {

/// What the functions do, and what was done with them. One at a time exists, while a test runs.
class FakePanbo {
 public:
  FakePanbo();
  ~FakePanbo();
  FakePanbo(const FakePanbo&) = delete;
  FakePanbo& operator=(const FakePanbo&) = delete;

  static uint64_t address_of(uint32_t handle) { return uint64_t{handle} << 32; }

  /// As libpanbo does with a BO that is not kept any longer.
  void drop(panbo_bo* bo);

  /// What connecting and allocating return, if not 0.
  int connect_error = 0;
  int alloc_error = 0;
  /// The next BO is the one that was released last, as it was kept.
  bool reuse = false;

  struct Release {
    uint32_t handle;
    uint32_t flags;
  };
  std::vector<Release> releases;
  std::vector<panbo_client_options> connects;
  std::vector<panbo_alloc_request> requests;
  int closed_clients = 0;

  // For the functions.

  panbo_bo* make(uint64_t size, uint32_t flags);
  void release(panbo_bo* bo, uint32_t flags);

 private:
  uint32_t next_handle_ = 1;
  std::vector<std::unique_ptr<panbo_bo>> bos_;
  panbo_bo* kept_ = nullptr;
};

}  // namespace panbo::interpose
