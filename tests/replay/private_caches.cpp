// Busy entries are in the buckets but not in cached_bytes_: a job uses their memory, and no cache could give it back.

#include "tests/replay/private_caches.h"

namespace panbo::replay {
namespace {

int64_t seconds(Duration time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time).count();
}

}  // namespace

void PrivateCaches::arrive(uint32_t client, const Arrive& /*arrive*/, Duration /*now*/) {
  processes_[client];
}

void PrivateCaches::depart(uint32_t client, Duration /*now*/) {
  for (const auto& [index, bucket] : processes_.at(client).buckets) {
    for (const Entry& entry : bucket) forget(entry);
  }
  processes_.erase(client);
}

Served PrivateCaches::alloc(uint32_t client, const Alloc& alloc, Duration /*now*/) {
  Process& process = processes_.at(client);
  Entry lent{.bo = alloc.bo, .size = size_to_create(alloc.size), .flags = alloc.flags};
  bool hit = false;
  if (const auto index = bucket_of(lent.size)) {
    Bucket& bucket = process.buckets[*index];
    const auto found = find(bucket, lent.size, alloc.flags);
    if (found != bucket.end()) {
      hit = true;
      lent.size = found->size;
      cached_bytes_ -= found->size;
      bucket.erase(found);
    }
  }
  process.lent.emplace(alloc.bo, lent);
  return {.size = lent.size, .hit = hit};
}

void PrivateCaches::release(uint32_t client, const Release& release, Duration now) {
  Process& process = processes_.at(client);
  Entry entry = process.lent.extract(release.bo).mapped();
  const auto index = bucket_of(entry.size);
  if (!index) return;
  entry.busy = release.busy;
  entry.released_s = seconds(now);
  Entry& kept = process.buckets[*index].emplace_back(entry);
  if (kept.busy) {
    busy_.emplace(kept.bo, &kept);
  } else {
    cached_bytes_ += kept.size;
  }
  drop_stale(process, seconds(now));
}

void PrivateCaches::idle(uint64_t bo, Duration /*now*/) {
  const auto found = busy_.find(bo);
  if (found == busy_.end()) return;
  found->second->busy = false;
  cached_bytes_ += found->second->size;
  busy_.erase(found);
}

void PrivateCaches::drop_stale(Process& process, int64_t now_s) {
  if (cleans_once_a_second() && process.cleaned_s == now_s) return;
  process.cleaned_s = now_s;
  for (auto& [index, bucket] : process.buckets) {
    while (!bucket.empty() && now_s - bucket.front().released_s > longest_age_s()) {
      forget(bucket.front());
      bucket.pop_front();
    }
  }
}

void PrivateCaches::forget(const Entry& entry) {
  if (entry.busy) {
    busy_.erase(entry.bo);
  } else {
    cached_bytes_ -= entry.size;
  }
}

}  // namespace panbo::replay
