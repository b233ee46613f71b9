// Slow device calls, made elsewhere: the kernel clears every page of a BO that it makes and frees every page of one
// that it closes, which for a large BO takes longer than anybody else should wait.
#pragma once

#include <cstdint>

#include "daemon/core/bo_kind.h"
#include "daemon/core/device.h"
#include "daemon/core/ids.h"

namespace panbo {

/// Does what it is asked in the order in which it is asked: a BO that is made after another was destroyed finds its
/// memory free.
class DeviceWorker {
 public:
  virtual ~DeviceWorker() = default;

  /// Device::create(). The result comes back later, on the caller's thread, through Service::on_created().
  virtual void create(BoId id, ArenaId arena, BoKind kind, uint64_t size) = 0;

  /// Device::destroy() of a BO that is not watched. Nothing comes back.
  virtual void destroy(BoId id, const DeviceBo& bo) = 0;

  /// Whether a BO that it was asked to destroy may still take memory.
  [[nodiscard]] virtual bool destroying() const = 0;
};

}  // namespace panbo
