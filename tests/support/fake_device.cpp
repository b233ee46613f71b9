// Handles are never used again, so that `bos_.at()` finds every use of a BO after its end; it throws, which no test
// catches.

#include "tests/support/fake_device.h"

#include <algorithm>
#include <stdexcept>

namespace panbo {
namespace {

std::optional<Errno> next_of(std::deque<Errno>& failures) {
  if (failures.empty()) return std::nullopt;
  const Errno error = failures.front();
  failures.pop_front();
  return error;
}

}  // namespace

std::vector<BoId> FakeDevice::finish_job(uint32_t handle) {
  bos_.at(handle).busy = false;
  std::vector<BoId> idle;
  for (const auto& [id, watched] : watches_) {
    if (watched == handle) idle.push_back(id);
  }
  return idle;
}

void FakeDevice::purge() {
  for (auto& [handle, bo] : bos_) {
    if (!bo.evictable || bo.purged) continue;
    bo.purged = true;
    bytes_ -= bo.memory;
  }
}

Result<ArenaId> FakeDevice::open_arena() {
  ++calls_;
  if (arena_bytes_.size() >= arena_limit) return Errno{EMFILE};
  arena_bytes_.push_back(0);
  return ArenaId{static_cast<uint16_t>(arena_bytes_.size() - 1)};
}

Result<DeviceBo> FakeDevice::create(ArenaId arena, BoKind kind, uint64_t size) {
  ++calls_;
  ++creations_;
  if (const auto error = next_of(create_failures)) return *error;
  if (arena_bytes_.at(arena.value) + size > arena_size) {
    ++refusals_;
    return Errno{ENOSPC};
  }
  // It has to lie at a multiple of its size, and not at the very end.
  if (kind == BoKind::kExecutable && size > limits().max_executable_size) return Errno{ENOSPC};
  const uint64_t memory = kind == BoKind::kHeap ? std::min(size, heap_memory) : size;
  if (memory > memory_limit || bytes_ > memory_limit - memory) {
    ++refusals_;
    return Errno{ENOMEM};
  }
  bytes_ += memory;
  bytes_moved_ += memory;
  arena_bytes_[arena.value] += size;
  const uint32_t handle = next_handle_++;
  bos_[handle] = FakeBo{.size = size, .kind = kind, .arena = arena, .memory = memory};
  return DeviceBo{.arena = arena, .handle = handle, .size = size};
}

void FakeDevice::destroy(BoId id, const DeviceBo& bo) {
  ++calls_;
  watches_.erase(id);
  const FakeBo& gone = bos_.at(bo.handle);
  if (!gone.purged) {
    bytes_ -= gone.memory;
    bytes_moved_ += gone.memory;
  }
  destroyed_while_held_ += gone.others + gone.imports > 0;
  arena_bytes_.at(bo.arena.value) -= gone.size;
  bos_.erase(bo.handle);
}

Result<Usage> FakeDevice::watch(BoId id, const DeviceBo& bo) {
  ++calls_;
  if (const auto error = next_of(watch_failures)) {
    ++failed_looks_;
    return *error;
  }
  if (!watches_.emplace(id, bo.handle).second) throw std::logic_error("watched twice");
  bos_.at(bo.handle).watched = true;
  return bos_.at(bo.handle).busy ? Usage::kBusy : Usage::kIdle;
}

void FakeDevice::unwatch(BoId id) {
  ++calls_;
  const auto watch = watches_.find(id);
  if (watch == watches_.end()) return;
  bos_.at(watch->second).watched = false;
  watches_.erase(watch);
}

Result<Holders> FakeDevice::holders(BoId id) {
  ++calls_;
  if (const auto error = next_of(holders_failures)) {
    ++failed_looks_;
    return *error;
  }
  const FakeBo& bo = bos_.at(watches_.at(id));
  return bo.others + bo.imports > 0 || bo.busy ? Holders::kOthersToo : Holders::kOnlyUs;
}

Result<Holders> FakeDevice::make_evictable(const DeviceBo& bo) {
  ++calls_;
  if (const auto error = next_of(evictable_failures)) {
    ++failed_looks_;
    return *error;
  }
  FakeBo& fake = bos_.at(bo.handle);
  if (fake.imports > 0) return Holders::kOthersToo;
  fake.evictable = true;
  return Holders::kOnlyUs;
}

Result<Pages> FakeDevice::make_unevictable(const DeviceBo& bo) {
  ++calls_;
  if (const auto error = next_of(unevictable_failures)) return *error;
  FakeBo& fake = bos_.at(bo.handle);
  fake.evictable = false;
  return fake.purged ? Pages::kPurged : Pages::kRetained;
}

}  // namespace panbo
