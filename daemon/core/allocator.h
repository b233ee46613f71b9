// "What now?": the order in which a request for a BO is served, and what happens when the kernel says no.
//
//   1. A ready BO of the same domain, kind and size class.
//   2. A fresh one.
//   3. ENOMEM: everything ready is evicted, whoever used it, then a fresh one is tried once more.
//      ENOSPC: another arena, since eviction need not free addresses where they are missing.
//   4. Waiting, and 5. failing with a record, are up to the caller: the service.
#pragma once

#include "daemon/core/bo_pool.h"
#include "daemon/core/clock.h"
#include "daemon/core/device.h"
#include "proto/result.h"

namespace panbo {

struct Demand {
  DomainId domain;
  ClientId client;
  UserId user;
  BoKind kind = BoKind::kPlain;
  /// Bytes, from 1 to Device::limits().max_bo_size.
  uint64_t size = 0;
  /// Must read as zero: only a fresh BO will do.
  bool zeroed = false;
};

struct Loan {
  /// Leased; never nullptr. Owned by the pool.
  Bo* bo;
  /// Made by the kernel for this demand.
  bool fresh = false;
};

class Allocator {
 public:
  /// Both must outlive the allocator.
  Allocator(Device& device, BoPool& pool);

  /// Steps 1 to 3. Errors: ENOMEM, or what else the device said. Never waits.
  Result<Loan> allocate(const Demand& demand, Time now);

  /// Step 1 alone. Errors: ENOMEM there is none.
  Result<Loan> allocate_ready(const Demand& demand, Time now);

 private:
  [[nodiscard]] BoKey key_of(const Demand& demand) const;
  Result<DeviceBo> create(const BoKey& key, Time now);
  Result<DeviceBo> create_in_some_arena(const BoKey& key);

  Device& device_;
  BoPool& pool_;
  /// How many arenas there are: 0 to arenas_ - 1.
  uint16_t arenas_ = 1;
};

}  // namespace panbo
