// The simulated device. Its users know it as SimBackend (sim_control.h).
#pragma once

#include <unistd.h>

#include <mutex>
#include <unordered_map>
#include <vector>

#include "daemon/device/bo_size.h"
#include "daemon/device/idle_watch.h"
#include "daemon/device/sim_control.h"
#include "daemon/device/sim_faults.h"
#include "daemon/device/sim_jobs.h"
#include "daemon/device/sim_memory.h"

namespace panbo {

class SimDevice final : public SimBackend {
 public:
  SimDevice(SimClearing clearing, SimMemory memory, SimJobs jobs, std::unique_ptr<IdleWatch> idle, UniqueFd events)
      : clearing_(clearing),
        memory_(std::move(memory)),
        jobs_(std::move(jobs)),
        idle_(std::move(idle)),
        events_(std::move(events)) {}

  [[nodiscard]] const BackendInfo& info() const override { return info_; }
  [[nodiscard]] DeviceLimits limits() const override {
    return {.page_size = page_size_,
            .max_bo_size = max_bo_size(page_size_),
            .max_executable_size = max_executable_size(page_size_)};
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
  /// A memfd is no dma-buf: it has the name that it was made with.
  void set_name(int /*dma_buf*/, const std::string& /*name*/) override {}
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
  [[nodiscard]] Result<SimPages> make_pages(BoKind kind, uint64_t size) const;
  Result<Usage> watch_locked(BoId id, uint32_t handle);

  const uint64_t page_size_ = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const BackendInfo info_{.backend = "sim", .driver = "simulated", .node = ""};
  const SimClearing clearing_;
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

}  // namespace panbo
