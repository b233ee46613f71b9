// A BO cache as Mesa's panfrost driver has it in each process, as far as its cost goes: buckets of powers of two, a
// list in order of use, a lock, and the calls that a BO costs on its way in and out.
//
// Of Mesa's calls for a pair that hits, these are those that every pair makes: WAIT_BO and MADVISE(WILLNEED) when the
// BO is taken out, MMAP_BO when it is used, MADVISE(DONTNEED) when it goes back (src/panfrost/lib/pan_bo.c:
// panfrost_bo_cache_fetch(), panfrost_bo_mmap(), panfrost_bo_cache_put()). Most pairs make more: mmap, munmap, a label.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <mutex>

namespace panbo {

/// What the kernel is asked. False: it said no.
class PrivateCacheCalls {
 public:
  virtual ~PrivateCacheCalls() = default;
  virtual bool is_idle(uint32_t handle) = 0;
  virtual bool make_unevictable(uint32_t handle) = 0;
  virtual bool map(uint32_t handle) = 0;
  virtual bool make_evictable(uint32_t handle) = 0;
};

/// Each call is the cheapest system call that there is, getppid: with the kernel's real work a pair costs more.
class CheapestCalls : public PrivateCacheCalls {
 public:
  bool is_idle(uint32_t handle) override;
  bool make_unevictable(uint32_t handle) override;
  bool map(uint32_t handle) override;
  bool make_evictable(uint32_t handle) override;
};

class PrivateCache {
 public:
  struct Entry {
    uint32_t handle = 0;
    uint64_t size = 0;
    /// When it was released.
    int64_t released_s = 0;
  };
  using Bo = std::list<Entry>::iterator;

  /// `calls` must outlive it.
  explicit PrivateCache(PrivateCacheCalls& calls) : calls_(calls) {}

  /// A BO to start with, not cached. `size` is a power of two.
  Bo add(uint32_t handle, uint64_t size);

  /// The BO that was used the longest time ago, as Mesa does. Throws std::runtime_error if there is none.
  Bo take(uint64_t size);
  void put(Bo bo);

 private:
  struct Bucket {
    std::list<Entry> bos;
  };
  [[nodiscard]] Bucket& bucket_of(uint64_t size);

  PrivateCacheCalls& calls_;
  std::mutex mutex_;
  std::array<Bucket, 64> buckets_;
  /// BOs that are in use.
  std::list<Entry> used_;
};

}  // namespace panbo
