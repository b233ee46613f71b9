// The order is the answer to the question that the review of panfrost's own cache left open. That cache waits for its
// busy BOs before it gives its idle ones back, and so digs itself deeper; here nothing is waited for while there is
// still something to give back, and waiting is the caller's choice.
//
// Arenas are tried newest first: it is the one with the most addresses left. An older one regains room as its BOs go,
// so all of them are tried before another is opened.

#include "daemon/core/allocator.h"

#include <algorithm>

#include "daemon/core/size_class.h"

namespace panbo {
namespace {

// 64 GiB of addresses. Each arena costs an fd and page tables; a board with more GPU memory than this does not exist,
// and a request that no empty arena can hold must not open them for ever.
constexpr uint16_t kMaxArenas = 16;

}  // namespace

Allocator::Allocator(Device& device, BoPool& pool) : device_(device), pool_(pool) {
}

Result<Loan> Allocator::allocate(const Demand& demand, Time now) {
  if (const auto ready = allocate_ready(demand, now)) return ready;
  const BoKey key = key_of(demand);
  Bo& bo = pool_.begin_create(key, demand.client, demand.user, now);
  const auto created = create(key, now);
  if (!created) {
    pool_.create_failed(bo, now);
    return created.error();
  }
  pool_.lend_created(bo, *created, now);
  return Loan{.bo = &bo, .fresh = true};
}

Result<Loan> Allocator::allocate_ready(const Demand& demand, Time now) {
  if (demand.zeroed) return Errno{ENOMEM};
  Bo* bo = pool_.lend_ready(key_of(demand), demand.client, demand.user, now);
  if (bo == nullptr) return Errno{ENOMEM};
  return Loan{.bo = bo, .fresh = false};
}

BoKey Allocator::key_of(const Demand& demand) const {
  const DeviceLimits limits = device_.limits();
  const uint64_t granule = demand.kind == BoKind::kHeap ? kHeapGranule : limits.page_size;
  // A class may be larger than what the device can make where its limit is not itself a class.
  const uint64_t size = std::min(size_class(demand.size, granule), limits.max_bo_size);
  return {.domain = demand.domain, .kind = demand.kind, .size = size};
}

Result<DeviceBo> Allocator::create(const BoKey& key, Time now) {
  const auto created = create_in_some_arena(key);
  if (created || created.error() != Errno{ENOMEM} || pool_.evict_all(now).count == 0) return created;
  return create_in_some_arena(key);
}

Result<DeviceBo> Allocator::create_in_some_arena(const BoKey& key) {
  for (uint16_t arena = arenas_; arena-- > 0;) {
    const auto created = device_.create(ArenaId{arena}, key.kind, key.size);
    if (created || created.error() != Errno{ENOSPC}) return created;
  }
  if (arenas_ == kMaxArenas) return Errno{ENOMEM};
  const auto opened = device_.open_arena();
  if (!opened) return Errno{ENOMEM};
  arenas_ = static_cast<uint16_t>(opened->value + 1);
  return device_.create(*opened, key.kind, key.size);
}

}  // namespace panbo
