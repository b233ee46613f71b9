// A device of memfds (SimMemory), jobs (SimJobs) and faults (SimFaults), with panfrost's rules for sizes, address
// space, ownership and madvise. That it obeys them is shown by the device contract test, which runs on both.
//
// Where it is simpler than a GPU:
//  - It has no handles to import into. Whoever has an fd or a mapping counts as importer, so make_evictable() is
//  refused
//    for any other holder, and not only for one with a handle.
//  - purge() takes every evictable BO. The real shrinker never takes one that was exported.
//  - Address space is a sum, without the holes that alignment leaves.
//  - Memory is counted in full when a BO is made, but comes from the system only when it is written to, unless it is to
//    be cleared when it is made.
//  - Jobs end when their BO is destroyed.
//
// One mutex: no call does more than a few syscalls under it, and a BO's pages are made without it.

#include "daemon/device/sim_device.h"

#include <cassert>
#include <tuple>

namespace panbo {

SimDevice::Bo& SimDevice::find(const DeviceBo& bo) {
  const auto found = bos_.find(bo.handle);
  assert(found != bos_.end() && found->second.arena == bo.arena);
  return found->second;
}

Result<ArenaId> SimDevice::open_arena() {
  const std::lock_guard lock(mutex_);
  if (arena_used_.size() == kMaxArenas) return Errno{EMFILE};
  arena_used_.push_back(0);
  return ArenaId{static_cast<uint16_t>(arena_used_.size() - 1)};
}

Result<DeviceBo> SimDevice::create(ArenaId arena, BoKind kind, uint64_t size) {
  if (size == 0 || size > max_bo_size(page_size_)) return Errno{EINVAL};
  const uint64_t rounded = rounded_bo_size(kind, size, page_size_);
  const uint64_t charged = kind == BoKind::kHeap ? 0 : rounded;

  {
    const std::lock_guard lock(mutex_);
    if (const auto fault = faults_.next(SimCall::kCreate)) return *fault;
    uint64_t& arena_used = arena_used_.at(arena.value);
    // The order in which panfrost comes to the two: pages are allocated when they are mapped into the address space.
    if (rounded > kArenaBytes - arena_used) return Errno{ENOSPC};
    if (kind == BoKind::kExecutable && rounded > max_executable_size(page_size_)) return Errno{ENOSPC};
    if (memory_used_ > memory_limit_ || charged > memory_limit_ - memory_used_) return Errno{ENOMEM};
    arena_used += rounded;
    memory_used_ += charged;
  }
  auto pages = make_pages(kind, rounded);

  const std::lock_guard lock(mutex_);
  if (!pages) {
    arena_used_[arena.value] -= rounded;
    memory_used_ -= charged;
    // A real BO needs no fd. Being out of them is this device's way of being out of memory, and has the same remedy.
    return Errno{ENOMEM};
  }
  while (bos_.contains(++last_handle_) || last_handle_ == 0) continue;
  by_inode_.emplace(pages->inode, last_handle_);
  bos_.emplace(last_handle_, Bo{.arena = arena, .pages = *std::move(pages), .charged = charged});
  return DeviceBo{.arena = arena, .handle = last_handle_, .size = rounded};
}

Result<SimPages> SimDevice::make_pages(BoKind kind, uint64_t size) const {
  auto pages = memory_.allocate(size);
  if (!pages || clearing_ == SimClearing::kWhenTouched || kind == BoKind::kHeap) return pages;
  if (const auto cleared = SimMemory::clear(*pages); !cleared) return cleared.error();
  return pages;
}

void SimDevice::destroy(BoId id, const DeviceBo& bo) {
  // Closed after the mutex was given back: that may free much memory.
  SimPages pages;
  const std::lock_guard lock(mutex_);
  idle_->unwatch(id);
  watched_.erase(id);
  jobs_.end(bo.handle);
  Bo& gone = find(bo);
  arena_used_[bo.arena.value] -= bo.size;
  memory_used_ -= gone.charged;
  pages = std::move(gone.pages);
  by_inode_.erase(pages.inode);
  bos_.erase(bo.handle);
}

Result<Usage> SimDevice::watch(BoId id, const DeviceBo& bo) {
  const std::lock_guard lock(mutex_);
  if (const auto fault = faults_.next(SimCall::kWatch)) return *fault;
  jobs_.end_due();
  const auto usage = watch_locked(id, bo.handle);
  if (usage) watched_.emplace(id, bo.handle);
  return usage;
}

Result<Usage> SimDevice::watch_locked(BoId id, uint32_t handle) {
  auto idle_fd = jobs_.idle_fd(handle);
  if (!idle_fd) return idle_fd.error();
  if (!*idle_fd) return Usage::kIdle;
  return idle_->watch(id, *std::move(*idle_fd));
}

void SimDevice::unwatch(BoId id) {
  const std::lock_guard lock(mutex_);
  idle_->unwatch(id);
  watched_.erase(id);
}

Result<Holders> SimDevice::holders(BoId id) {
  const std::lock_guard lock(mutex_);
  const uint32_t handle = watched_.at(id);
  jobs_.end_due();
  if (jobs_.busy(handle)) return Holders::kOthersToo;
  return SimMemory::holders(bos_.at(handle).pages);
}

Result<Holders> SimDevice::make_evictable(const DeviceBo& bo) {
  const std::lock_guard lock(mutex_);
  if (const auto fault = faults_.next(SimCall::kEvictable)) {
    // The errno is the kernel's, and its EINVAL means this.
    if (*fault == Errno{EINVAL}) return Holders::kOthersToo;
    return *fault;
  }
  Bo& known = find(bo);
  const auto holders = SimMemory::holders(known.pages);
  if (holders && *holders == Holders::kOnlyUs) {
    known.evictable = true;
    // If that fails now, export_bo() tries again.
    std::ignore = memory_.prepare(known.pages);
  }
  return holders;
}

Result<Pages> SimDevice::make_unevictable(const DeviceBo& bo) {
  const std::lock_guard lock(mutex_);
  if (const auto fault = faults_.next(SimCall::kUnevictable)) return *fault;
  Bo& known = find(bo);
  known.evictable = false;
  return known.purged ? Pages::kPurged : Pages::kRetained;
}

Result<ExportedBo> SimDevice::export_bo(const DeviceBo& bo) {
  const std::lock_guard lock(mutex_);
  if (const auto fault = faults_.next(SimCall::kExport)) return *fault;
  Bo& known = find(bo);
  assert(!known.evictable);
  auto fd = memory_.lend(known.pages);
  if (!fd) return fd.error();
  return ExportedBo{.fd = *std::move(fd), .inode = known.pages.inode};
}

void SimDevice::take_idle(std::vector<BoId>& out) {
  const std::lock_guard lock(mutex_);
  jobs_.end_due();
  became_idle_.clear();
  idle_->take_idle(became_idle_);
  for (const BoId id : became_idle_) {
    // As with fences, what counts is whether the BO is idle now: one that got another job meanwhile is waited for
    // again.
    const uint32_t handle = watched_.at(id);
    if (jobs_.busy(handle)) {
      idle_->unwatch(id);
      if (watch_locked(id, handle)) continue;
    }
    out.push_back(id);
  }
}

}  // namespace panbo
