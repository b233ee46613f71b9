// What the private cache of allocations.cpp costs with the real calls, on a GPU of the panfrost driver, beside a hit in
// libpanbo. Both give memory of which the driver knows where to map it: the private cache asks each time, libpanbo has
// it mapped.
//
// One BO and no job: the kernel has nothing to wait for and nothing to look through, so these are its cheapest answers.

#include <panbo.h>
#include <xf86drm.h>

#include <stdexcept>

#include "daemon/device/drm_node.h"
#include "proto/panfrost_uapi.h"
#include "tests/bench/benches.h"
#include "tests/bench/cpus.h"
#include "tests/bench/medians.h"
#include "tests/bench/private_cache.h"
#include "tests/support/panbod_process.h"

namespace panbo::bench {
namespace {

constexpr uint64_t kBoBytes = 64 * 1024;
constexpr int kRepetitions = 41;
constexpr int kPairs = 2000;

DrmNode open_gpu() {
  std::string denied;
  auto node = find_drm_node("panfrost", denied);
  if (!node) throw std::runtime_error("no panfrost GPU: " + node.error().message());
  return *std::move(node);
}

/// As the driver makes them.
class RealCalls : public PrivateCacheCalls {
 public:
  uint32_t create(uint32_t size) {
    uapi::CreateBo request{.size = size, .flags = uapi::kBoNoexec};
    if (drmIoctl(drm(), uapi::kCreateBo, &request) != 0) throw std::runtime_error("CREATE_BO failed");
    return request.handle;
  }
  bool is_idle(uint32_t handle) override {
    uapi::WaitBo request{.handle = handle};
    return drmIoctl(drm(), uapi::kWaitBo, &request) == 0;
  }
  bool make_unevictable(uint32_t handle) override { return madvise(handle, uapi::kWillNeed); }
  bool map(uint32_t handle) override {
    uapi::MmapBo request{.handle = handle};
    return drmIoctl(drm(), uapi::kMmapBo, &request) == 0;
  }
  bool make_evictable(uint32_t handle) override { return madvise(handle, uapi::kDontNeed); }

 private:
  [[nodiscard]] int drm() const { return gpu_.fd.get(); }
  bool madvise(uint32_t handle, uint32_t advice) {
    uapi::Madvise request{.handle = handle, .madv = advice};
    return drmIoctl(drm(), uapi::kMadvise, &request) == 0 && request.retained != 0;
  }

  const DrmNode gpu_ = open_gpu();
};

class Mesa {
 public:
  Mesa() { cache_.put(cache_.add(calls_.create(kBoBytes), kBoBytes)); }
  void pair() { cache_.put(cache_.take(kBoBytes)); }

 private:
  RealCalls calls_;
  PrivateCache cache_{calls_};
};

/// A driver's client. The daemon would take a BO back that is not used while others take their turns.
class Driver {
 public:
  Driver() {
    panbo_client_options options{};
    options.struct_size = sizeof(options);
    socket_ = daemon_.socket_path();
    options.socket_path = socket_.c_str();
    options.drm_fd = gpu_.fd.get();
    if (panbo_client_connect(&options, &client_) < 0) throw std::runtime_error("panbod cannot be reached");
  }
  ~Driver() { panbo_client_close(client_); }
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  void warm_up() { use(PANBO_RELEASE_IDLE); }
  void pair(uint32_t release_flags) {
    if (use(release_flags) != PANBO_ORIGIN_LOCAL) throw std::runtime_error("a BO is not of the kind to be measured");
  }

 private:
  /// Returns where it came from.
  uint32_t use(uint32_t release_flags) {
    panbo_alloc_request request{};
    request.struct_size = sizeof(request);
    request.size = kBoBytes;
    panbo_bo* bo = nullptr;
    void* memory = nullptr;
    if (panbo_bo_alloc(client_, &request, &bo) < 0) throw std::runtime_error("a BO was refused");
    if (panbo_bo_map(bo, &memory) < 0) throw std::runtime_error("a BO cannot be mapped");
    const uint32_t origin = panbo_bo_get_origin(bo);
    panbo_bo_release(bo, release_flags);
    return origin;
  }

  const DrmNode gpu_ = open_gpu();
  PanbodProcess daemon_{"panfrost"};
  std::string socket_;
  panbo_client* client_ = nullptr;
};

}  // namespace

Report panfrost() {
  const KeepAffinity keep;
  pin(0, nth_cpu(0));
  Mesa mesa;
  Driver driver;
  const auto warm_up = [&] { driver.warm_up(); };
  const auto nothing = [] {};
  add_pairs("mesa", kRepetitions, kPairs, nothing, [&] { mesa.pair(); });
  add_pairs("local", kRepetitions, kPairs, warm_up, [&] { driver.pair(PANBO_RELEASE_IDLE); });
  add_pairs("local, maybe busy", kRepetitions, kPairs, warm_up, [&] { driver.pair(0); });
  const Medians medians = run_benchmarks();

  const double mesas = medians.of("mesa");
  const double local = medians.of("local");
  const double maybe_busy = medians.of("local, maybe busy");
  return {.title = "What an allocation costs on panfrost: 64 KiB, one CPU",
          .unit = "ns",
          .lines = {
              {.what = "pair in a private cache like Mesa's, with the kernel's WAIT_BO, MADVISE, MMAP_BO, MADVISE",
               .value = mesas,
               .ratio = 1},
              {.what = "pair that hits locally, released as idle / private cache",
               .value = local,
               .ratio = local / mesas,
               .at_most = 0.1},
              {.what = "pair that hits locally, released as perhaps busy / private cache",
               .value = maybe_busy,
               .ratio = maybe_busy / mesas},
          }};
}

}  // namespace panbo::bench
