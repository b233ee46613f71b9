// A Device that does nothing and remembers nothing, so that what is measured is the daemon's own.
#pragma once

#include "daemon/core/device.h"

namespace panbo::bench {

class BareDevice : public Device {
 public:
  [[nodiscard]] DeviceLimits limits() const override { return {.page_size = 4096, .max_bo_size = uint64_t{4} << 30}; }
  Result<ArenaId> open_arena() override { return Errno{EMFILE}; }
  Result<DeviceBo> create(ArenaId arena, BoKind, uint64_t size) override {
    return DeviceBo{.arena = arena, .handle = ++last_handle_, .size = size};
  }
  void destroy(BoId, const DeviceBo&) override {}
  Result<Usage> watch(BoId, const DeviceBo&) override { return Usage::kIdle; }
  void unwatch(BoId) override {}
  Result<Holders> holders(BoId) override { return Holders::kOnlyUs; }
  Result<Holders> make_evictable(const DeviceBo&) override { return Holders::kOnlyUs; }
  Result<Pages> make_unevictable(const DeviceBo&) override { return Pages::kRetained; }

 private:
  uint32_t last_handle_ = 0;
};

}  // namespace panbo::bench
