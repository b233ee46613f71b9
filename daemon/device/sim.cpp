// A device of memfds (SimMemory), jobs (SimJobs) and faults (SimFaults), with panfrost's rules for sizes, address space,
// ownership and madvise. That it obeys them is shown by the device contract test, which runs on both.
//
// Where it is simpler than a GPU:
//  - It has no handles to import into. Whoever has an fd or a mapping counts as importer, so make_evictable() is refused
//    for any other holder, and not only for one with a handle.
//  - purge() takes every evictable BO. The real shrinker never takes one that was exported.
//  - Address space is a sum, without the holes that alignment leaves.
//  - Memory is counted in full when a BO is made, but comes from the system only when it is written to.
//  - Jobs end when their BO is destroyed.
//
// One mutex: no call does more than a few syscalls under it.

#include <sys/epoll.h>
#include <unistd.h>

#include <cassert>
#include <mutex>
#include <unordered_map>

#include "daemon/device/bo_size.h"
#include "daemon/device/idle_watch.h"
#include "daemon/device/sim_control.h"
#include "daemon/device/sim_faults.h"
#include "daemon/device/sim_jobs.h"
#include "daemon/device/sim_memory.h"

namespace panbo {
namespace {

class SimDevice final : public SimBackend {
 public:
  SimDevice(SimMemory memory, SimJobs jobs, std::unique_ptr<IdleWatch> idle, UniqueFd events)
      : memory_(std::move(memory)), jobs_(std::move(jobs)), idle_(std::move(idle)), events_(std::move(events)) {}

  [[nodiscard]] const BackendInfo& info() const override { return info_; }
  [[nodiscard]] DeviceLimits limits() const override {
    return {.page_size = page_size_, .max_bo_size = max_bo_size(page_size_)};
  }
  Result<ArenaId> open_arena() override;
  Result<DeviceBo> create(ArenaId arena, BoKind kind, uint64_t size) override;
  void destroy(BoId id, const DeviceBo& bo) override;
  Result<Usage> watch(BoId id, const DeviceBo& bo) override;
  void unwatch(BoId id) override;
  Result<Holders> holders(BoId id) override;
  Result<Holders> make_evictable(const DeviceBo& bo) override;
  Result<Pages> make_unevictable(const DeviceBo& bo) override;
  Result<ExportedBo> export_bo(const DeviceBo& bo) override;
  [[nodiscard]] int event_fd() const override { return events_.get(); }
  void take_idle(std::vector<BoId>& out) override;

  Result<void> start_job(uint64_t inode, std::optional<Duration> duration) override;
  Result<void> end_job(uint64_t inode) override;
  Result<void> fail_next(std::string_view call, Errno error, uint32_t times) override;
  Result<void> purge() override;
  Result<void> set_memory_limit(uint64_t bytes) override;

 private:
  struct Bo {
    ArenaId arena;
    SimPages pages;
    /// Bytes charged to memory_used_: the size, or 0 for heap BOs and once the pages are gone.
    uint64_t charged = 0;
    bool evictable = false;
    bool purged = false;
  };

  Bo& find(const DeviceBo& bo);
  Result<Usage> watch_locked(BoId id, uint32_t handle);

  const uint64_t page_size_ = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const BackendInfo info_{.backend = "sim", .driver = "simulated", .node = ""};
  SimMemory memory_;

  std::mutex mutex_;
  SimJobs jobs_;
  SimFaults faults_;
  std::unique_ptr<IdleWatch> idle_;
  /// The idle watch and the jobs' timer, as one fd.
  UniqueFd events_;
  std::vector<uint64_t> arena_used_{0};
  uint64_t memory_used_ = 0;
  uint64_t memory_limit_ = UINT64_MAX;
  uint32_t last_handle_ = 0;
  std::unordered_map<uint32_t, Bo> bos_;
  std::unordered_map<uint64_t, uint32_t> by_inode_;
  std::unordered_map<BoId, uint32_t> watched_;
  /// Scratch space of take_idle().
  std::vector<BoId> became_idle_;
};

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

  const std::lock_guard lock(mutex_);
  if (const auto fault = faults_.next(SimCall::kCreate)) return *fault;
  uint64_t& arena_used = arena_used_.at(arena.value);
  // The order in which panfrost comes to the two: pages are allocated when they are mapped into the address space.
  if (rounded > kArenaBytes - arena_used) return Errno{ENOSPC};
  if (memory_used_ > memory_limit_ || charged > memory_limit_ - memory_used_) return Errno{ENOMEM};
  auto pages = memory_.allocate(rounded);
  // A real BO needs no fd. Being out of them is this device's way of being out of memory, and has the same remedy.
  if (!pages) return Errno{ENOMEM};

  while (bos_.contains(++last_handle_) || last_handle_ == 0) continue;
  arena_used += rounded;
  memory_used_ += charged;
  by_inode_.emplace(pages->inode, last_handle_);
  bos_.emplace(last_handle_, Bo{.arena = arena, .pages = *std::move(pages), .charged = charged});
  return DeviceBo{.arena = arena, .handle = last_handle_, .size = rounded};
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
  if (holders && *holders == Holders::kOnlyUs) known.evictable = true;
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
    // As with fences, what counts is whether the BO is idle now: one that got another job meanwhile is waited for again.
    const uint32_t handle = watched_.at(id);
    if (jobs_.busy(handle)) {
      idle_->unwatch(id);
      if (watch_locked(id, handle)) continue;
    }
    out.push_back(id);
  }
}

Result<void> SimDevice::start_job(uint64_t inode, std::optional<Duration> duration) {
  if (duration && *duration < Duration::zero()) return Errno{EINVAL};
  const std::lock_guard lock(mutex_);
  const auto found = by_inode_.find(inode);
  if (found == by_inode_.end()) return Errno{ENOENT};
  return jobs_.start(found->second, duration);
}

Result<void> SimDevice::end_job(uint64_t inode) {
  const std::lock_guard lock(mutex_);
  const auto found = by_inode_.find(inode);
  if (found == by_inode_.end()) return Errno{ENOENT};
  jobs_.end(found->second);
  return {};
}

Result<void> SimDevice::fail_next(std::string_view call, Errno error, uint32_t times) {
  constexpr int kMaxErrno = 4095;
  const auto known = sim_call_named(call);
  if (!known || error.value <= 0 || error.value > kMaxErrno) return Errno{EINVAL};
  const std::lock_guard lock(mutex_);
  faults_.fail_next(*known, error, times);
  return {};
}

Result<void> SimDevice::purge() {
  const std::lock_guard lock(mutex_);
  for (auto& [handle, bo] : bos_) {
    if (!bo.evictable || bo.purged) continue;
    if (const auto done = SimMemory::discard(bo.pages); !done) return done;
    bo.purged = true;
    memory_used_ -= bo.charged;
    bo.charged = 0;
  }
  return {};
}

Result<void> SimDevice::set_memory_limit(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  memory_limit_ = bytes == 0 ? UINT64_MAX : bytes;
  return {};
}

bool add_readable(const UniqueFd& epoll, int fd) {
  epoll_event event{.events = EPOLLIN, .data = {}};
  return ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

Result<std::unique_ptr<SimBackend>> open_sim() {
  auto memory = SimMemory::open();
  if (!memory) return memory.error();
  auto jobs = SimJobs::open();
  if (!jobs) return jobs.error();
  auto idle = IdleWatch::open();
  if (!idle) return idle.error();
  UniqueFd events(::epoll_create1(EPOLL_CLOEXEC));
  if (!events.valid() || !add_readable(events, (*idle)->event_fd()) || !add_readable(events, jobs->timer_fd())) {
    return Errno::last();
  }
  return std::unique_ptr<SimBackend>(
      std::make_unique<SimDevice>(*std::move(memory), *std::move(jobs), *std::move(idle), std::move(events)));
}

}  // namespace panbo
