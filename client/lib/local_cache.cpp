// There are as many bins as kinds and size classes have been kept, a few hundred at most, and they stay: so a BO can
// point at its bin, and a release needs no look-up. The BOs move between lists without being copied or allocated.
//
// A BO that is larger than needed stands in for one that is missing here: it is there already, so for now it takes no
// memory, while the one that the daemon would give is more. A program whose sizes change would otherwise keep a BO of
// each of its classes, most of them unused. Up to twice the size, as in Mesa's own caches; when it is kept again it is
// kept for its own class.
//
// What is kept longest is found by a look at both ends of every bin. That is needed only when there are so many BOs
// that one has to go, which costs a packet to the daemon anyway; an order of age would have to be kept up by every hit.

#include "client/lib/local_cache.h"

#include <algorithm>
#include <utility>

namespace panbo {
namespace {

// Sizes are multiples of a page, so the kind fits below.
uint64_t key_of(uint32_t kind, uint64_t size) {
  return size | kind;
}

std::list<panbo_bo>& list_of(panbo_bo& bo) {
  return bo.kept_idle ? bo.bin->idle : bo.bin->maybe_busy;
}

}  // namespace

LocalBin* LocalCache::find(uint32_t kind, uint64_t size) {
  const auto found = bins_.find(key_of(kind, size));
  return found != bins_.end() ? &found->second : nullptr;
}

LocalBin& LocalCache::bin(uint32_t kind, uint64_t size) {
  return bins_[key_of(kind, size)];
}

void LocalCache::keep(panbo_bo& bo, std::list<panbo_bo>& in_use, bool idle) {
  bo.kept_idle = idle;
  bo.stay = ++stays_;
  count_in(bo);
  auto& kept = list_of(bo);
  kept.splice(idle ? kept.begin() : kept.end(), in_use, bo.position);
}

void LocalCache::put_back(panbo_bo& bo, std::list<panbo_bo>& in_use) {
  count_in(bo);
  auto& kept = list_of(bo);
  kept.splice(kept.begin(), in_use, bo.position);
}

panbo_bo* LocalCache::use(LocalBin& bin, std::list<panbo_bo>& in_use, std::list<panbo_bo>& taken) {
  panbo_bo* bo = use_one_of(bin.idle, in_use, taken);
  return bo != nullptr ? bo : use_one_of(bin.maybe_busy, in_use, taken);
}

panbo_bo* LocalCache::use_larger(uint32_t kind, uint64_t size, uint64_t page_size, std::list<panbo_bo>& in_use,
                                 std::list<panbo_bo>& taken) {
  // Beyond the largest class none is kept.
  const uint64_t end = std::min(2 * size, kLargestClassedSize + 1);
  for (uint64_t larger = size_class_of(kind, size + 1, page_size); larger < end;
       larger = size_class_of(kind, larger + 1, page_size)) {
    LocalBin* bin = find(kind, larger);
    panbo_bo* bo = bin != nullptr ? use(*bin, in_use, taken) : nullptr;
    if (bo != nullptr) return bo;
  }
  return nullptr;
}

panbo_bo* LocalCache::use_one_of(std::list<panbo_bo>& kept, std::list<panbo_bo>& in_use, std::list<panbo_bo>& taken) {
  while (!kept.empty()) {
    panbo_bo& bo = kept.front();
    if (use_lease(*bo.lease, bo.word)) {
      bo.word = with_use(bo.word, LeaseUse::kInUse);
      remove(bo, in_use);
      return &bo;
    }
    remove(bo, taken);
  }
  return nullptr;
}

void LocalCache::remove(panbo_bo& bo, std::list<panbo_bo>& out) {
  --count_;
  bytes_ -= bo.size;
  out.splice(out.end(), list_of(bo), bo.position);
}

void LocalCache::remove_oldest(std::list<panbo_bo>& out) {
  panbo_bo* oldest = nullptr;
  const auto look_at = [&](panbo_bo& bo) {
    if (oldest == nullptr || bo.stay < oldest->stay) oldest = &bo;
  };
  for (auto& [key, bin] : bins_) {
    if (!bin.idle.empty()) look_at(bin.idle.back());
    if (!bin.maybe_busy.empty()) look_at(bin.maybe_busy.front());
  }
  remove(*oldest, out);
}

uint32_t LocalCache::next_extra(LocalBin& bin, uint32_t limit) {
  const uint32_t now = bin.extra;
  bin.extra = std::clamp<uint32_t>(now * 2, 1, kMaxExtra);
  return std::min(now, limit);
}

}  // namespace panbo
