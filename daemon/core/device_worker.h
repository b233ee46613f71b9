// Slow device calls, made elsewhere: the kernel clears every page of a BO that it makes and frees every page of one
// that it closes, which for a large BO, or for many, takes longer than anybody else should wait.
#pragma once

#include <cstdint>

#include "daemon/core/bo_kind.h"
#include "daemon/core/device.h"
#include "daemon/core/ids.h"

namespace panbo {

/// Destroys before it creates, since what is destroyed is the memory of what is created. Among the creations the users
/// take turns, so that nobody waits for another user's queue, however long that is (device_queue.h).
class DeviceWorker {
 public:
  virtual ~DeviceWorker() = default;

  /// Device::create(), for that user. The result comes back later, on the caller's thread, through
  /// Service::on_created().
  virtual void create(BoId id, UserId user, ArenaId arena, BoKind kind, uint64_t size) = 0;

  /// Takes a creation back. True: it had not begun, it is forgotten, and no result comes. False: it has begun, and its
  /// result comes as if nobody had asked.
  virtual bool cancel(BoId id) = 0;

  /// Device::destroy() of a BO that is not watched and counts as `memory` bytes. Those are reported once they are free,
  /// on the caller's thread, together with those of others, through Service::on_destroyed().
  virtual void destroy(BoId id, const DeviceBo& bo, uint64_t memory) = 0;

  /// Bytes of memory that were handed to destroy() and have not been reported as free.
  [[nodiscard]] virtual uint64_t destroying() const = 0;
  /// Bytes of memory that were handed to create(), and were neither cancelled nor have a result.
  [[nodiscard]] virtual uint64_t creating() const = 0;
};

}  // namespace panbo
