// A Device in memory, for tests of core and service: it does what a test tells it, and keeps account of what it was
// asked. Where it can, it checks its caller: a BO that is destroyed twice or used after that ends the test.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "daemon/core/arena.h"
#include "daemon/core/device.h"

namespace panbo {

class FakeDevice : public Device {
 public:
  struct FakeBo {
    uint64_t size = 0;
    BoKind kind = BoKind::kPlain;
    /// Where it has its addresses.
    ArenaId arena;
    /// Bytes of memory that it takes.
    uint64_t memory = 0;
    /// A job uses it.
    bool busy = false;
    /// References of others.
    int others = 0;
    /// Others with a DRM handle: the kernel refuses DONTNEED.
    int imports = 0;
    bool evictable = false;
    /// Between watch() and unwatch().
    bool watched = false;
    bool purged = false;
  };

  // What the test arranges.

  uint64_t memory_limit = UINT64_MAX;
  /// Bytes of memory that a heap takes at most. 0: the GPU has not asked for any.
  uint64_t heap_memory = 0;
  /// The results of the next calls of create(), before memory is looked at.
  std::deque<Errno> create_failures;
  std::deque<Errno> watch_failures;
  std::deque<Errno> holders_failures;
  std::deque<Errno> evictable_failures;
  std::deque<Errno> unevictable_failures;
  uint64_t arena_limit = kMaxArenas;
  /// Addresses of each arena in bytes.
  uint64_t arena_size = kArenaBytes;

  [[nodiscard]] const std::map<uint32_t, FakeBo>& bos() const { return bos_; }
  [[nodiscard]] FakeBo& bo(uint32_t handle) { return bos_.at(handle); }
  [[nodiscard]] bool exists(uint32_t handle) const { return bos_.contains(handle); }
  [[nodiscard]] size_t bo_count() const { return bos_.size(); }
  /// Memory that the BOs take.
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  [[nodiscard]] int creations() const { return creations_; }
  /// Creations that there was no memory for, or no addresses.
  [[nodiscard]] int refusals() const { return refusals_; }
  /// Calls of all kinds, but for limits().
  [[nodiscard]] uint64_t calls() const { return calls_; }
  /// Bytes of the BOs that were made and destroyed: the kernel goes through every page of them.
  [[nodiscard]] uint64_t bytes_moved() const { return bytes_moved_; }
  /// Addresses of one arena that BOs have.
  [[nodiscard]] uint64_t addresses(ArenaId arena) const { return arena_bytes_.at(arena.value); }
  [[nodiscard]] size_t arenas() const { return arena_bytes_.size(); }
  [[nodiscard]] size_t watched() const { return watches_.size(); }
  /// BOs that were destroyed while somebody had a reference: their memory lives on.
  [[nodiscard]] int destroyed_while_held() const { return destroyed_while_held_; }
  /// Calls that were to tell something about a BO in motion and failed.
  [[nodiscard]] int failed_looks() const { return failed_looks_; }

  /// Ends the job on a BO; returns the id to report if it was watched.
  std::vector<BoId> finish_job(uint32_t handle);
  /// The kernel's shrinker: takes every evictable BO's pages.
  void purge();

  // Device.

  [[nodiscard]] DeviceLimits limits() const override {
    return {.page_size = 4096,
            .max_bo_size = arena_size,
            .max_executable_size = arena_size / 2};
  }
  Result<ArenaId> open_arena() override;
  Result<DeviceBo> create(ArenaId arena, BoKind kind, uint64_t size) override;
  void destroy(BoId id, const DeviceBo& bo) override;
  Result<Usage> watch(BoId id, const DeviceBo& bo) override;
  void unwatch(BoId id) override;
  Result<Holders> holders(BoId id) override;
  Result<Holders> make_evictable(const DeviceBo& bo) override;
  Result<Pages> make_unevictable(const DeviceBo& bo) override;

 private:
  std::map<uint32_t, FakeBo> bos_;
  std::map<BoId, uint32_t> watches_;
  std::vector<uint64_t> arena_bytes_ = {0};
  uint64_t bytes_ = 0;
  uint32_t next_handle_ = 1;
  int creations_ = 0;
  int refusals_ = 0;
  uint64_t calls_ = 0;
  uint64_t bytes_moved_ = 0;
  int destroyed_while_held_ = 0;
  int failed_looks_ = 0;
};

}  // namespace panbo
