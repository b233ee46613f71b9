// The leases that a client keeps although its program does not use them, by what they are good for.
#pragma once

#include <cstdint>
#include <list>
#include <unordered_map>

#include "client/include/panbo.h"
#include "client/lib/bo.h"
#include "proto/size_class.h"

namespace panbo {

/// BOs of one kind and size class: any is as good as any other.
struct LocalBin {
  /// No job uses them. The newest is first: the CPU's and the GPU's caches may still have of it.
  std::list<panbo_bo> idle;
  /// A job may use them. The oldest is first: it is the likeliest to be idle by now.
  std::list<panbo_bo> maybe_busy;
  /// How many more than needed to ask the daemon for when nothing is here.
  uint32_t extra = 0;
};

/// The size class of a request. `kind`: PANBO_BO_EXECUTABLE or PANBO_BO_HEAP; other flags do not matter. `size`: not 0.
[[nodiscard]] inline uint64_t size_class_of(uint32_t kind, uint64_t size, uint64_t page_size) {
  return size_class(size, (kind & PANBO_BO_HEAP) != 0 ? kHeapGranule : page_size);
}

/// Not thread-safe, and without a syscall. Each BO in here is Unused in its lease table, or the daemon has taken it.
class LocalCache {
 public:
  /// Whether BOs of such a size are kept: very large ones are memory that somebody misses.
  [[nodiscard]] static bool can_keep(uint64_t size, uint64_t page_size) {
    return page_size != 0 && size != 0 && size <= kLargestClassedSize;
  }

  /// `size`: a size class. nullptr: none has been kept.
  [[nodiscard]] LocalBin* find(uint32_t kind, uint64_t size);
  /// Makes it. Stays where it is. Throws std::bad_alloc.
  LocalBin& bin(uint32_t kind, uint64_t size);

  /// How many BOs are kept, and their bytes.
  [[nodiscard]] size_t count() const { return count_; }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }

  /// Moves a BO that has become Unused from `in_use` into its bin.
  void keep(panbo_bo& bo, std::list<panbo_bo>& in_use, bool idle);
  /// As above, for one that was found busy: it is still the oldest.
  void put_back(panbo_bo& bo, std::list<panbo_bo>& in_use);

  /// Makes a kept one InUse and moves it to the end of `in_use`; first one that is idle. What the daemon turns out to
  /// have taken goes to the end of `taken`. nullptr: there is none.
  panbo_bo* use(LocalBin& bin, std::list<panbo_bo>& in_use, std::list<panbo_bo>& taken);

  /// As use(), of the smallest class above `size` of which there is one, if that is less than twice as large.
  panbo_bo* use_larger(uint32_t kind, uint64_t size, uint64_t page_size, std::list<panbo_bo>& in_use,
                       std::list<panbo_bo>& taken);

  /// Moves the one that has been here longest to the end of `out`. There is one.
  void remove_oldest(std::list<panbo_bo>& out);

  /// Moves those for which wanted(bo) holds to the end of `out`.
  template <class Wanted>
  void remove_if(Wanted wanted, std::list<panbo_bo>& out);

  /// How many more to ask for with a request that found nothing here: each time twice as many, up to `limit`.
  [[nodiscard]] static uint32_t next_extra(LocalBin& bin, uint32_t limit);

 private:
  /// More would be a batch that waits to be used.
  static constexpr uint32_t kMaxExtra = 16;

  template <class Wanted>
  void remove_if(std::list<panbo_bo>& from, Wanted wanted, std::list<panbo_bo>& out);
  void count_in(const panbo_bo& bo) {
    ++count_;
    bytes_ += bo.size;
  }
  void remove(panbo_bo& bo, std::list<panbo_bo>& out);
  panbo_bo* use_one_of(std::list<panbo_bo>& kept, std::list<panbo_bo>& in_use, std::list<panbo_bo>& taken);

  std::unordered_map<uint64_t, LocalBin> bins_;
  size_t count_ = 0;
  uint64_t bytes_ = 0;
  /// Stays so far.
  uint64_t stays_ = 0;
};

template <class Wanted>
void LocalCache::remove_if(Wanted wanted, std::list<panbo_bo>& out) {
  for (auto& [key, bin] : bins_) {
    remove_if(bin.idle, wanted, out);
    remove_if(bin.maybe_busy, wanted, out);
  }
}

template <class Wanted>
void LocalCache::remove_if(std::list<panbo_bo>& from, Wanted wanted, std::list<panbo_bo>& out) {
  for (auto bo = from.begin(); bo != from.end();) {
    panbo_bo& candidate = *bo++;
    if (wanted(candidate)) remove(candidate, out);
  }
}

}  // namespace panbo
