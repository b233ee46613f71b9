// Which BO of a key is taken makes no difference to the hits, so it is enough to count them.

#include "tests/replay/keep_all.h"

#include "daemon/service/alloc_flags.h"
#include "proto/size_class.h"
#include "tests/replay/player.h"

namespace panbo::replay {
namespace {

constexpr uint64_t kPage = 4096;

}  // namespace

void KeepAll::arrive(uint32_t /*client*/, const Arrive& /*arrive*/, Duration now) {
  last_event_ = now;
}

void KeepAll::depart(uint32_t client, Duration now) {
  last_event_ = now;
  std::erase_if(lent_, [&](const auto& entry) {
    if (entry.second.client != client) return false;
    keep(entry.second.key);
    return true;
  });
}

Served KeepAll::alloc(uint32_t client, const Alloc& alloc, Duration now) {
  last_event_ = now;
  const uint64_t granule = (alloc.flags & kAllocHeap) != 0 ? kHeapGranule : kPage;
  const Key key{alloc.flags, size_class(alloc.size, granule)};
  lent_.emplace(alloc.bo, Lent{.key = key, .client = client});
  const auto cached = cached_.find(key);
  const bool hit = cached != cached_.end() && cached->second > 0;
  if (hit) {
    --cached->second;
    cached_bytes_ -= key.second;
  }
  return {.size = key.second, .hit = hit};
}

void KeepAll::release(uint32_t /*client*/, const Release& release, Duration now) {
  last_event_ = now;
  const Key key = lent_.extract(release.bo).mapped().key;
  if (release.busy) {
    busy_.emplace(release.bo, key);
  } else {
    keep(key);
  }
}

void KeepAll::idle(uint64_t bo, Duration now) {
  last_event_ = now;
  keep(busy_.extract(bo).mapped());
}

std::optional<Duration> KeepAll::next_deadline() const {
  if (cached_bytes_ == 0) return std::nullopt;
  return last_event_ + kIdleLimit;
}

void KeepAll::tick(Duration /*now*/) {
  cached_.clear();
  cached_bytes_ = 0;
}

void KeepAll::keep(const Key& key) {
  ++cached_[key];
  cached_bytes_ += key.second;
}

}  // namespace panbo::replay
