// No BO grows stale while a benchmark runs, so there is no eviction; that it is looked for is part of the cost.

#include "tests/bench/private_cache.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <ctime>
#include <stdexcept>

namespace panbo {
namespace {

bool call() {
  return ::syscall(SYS_getppid) > 0;
}

int64_t now_s() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

}  // namespace

bool CheapestCalls::is_idle(uint32_t /*handle*/) {
  return call();
}

bool CheapestCalls::make_unevictable(uint32_t /*handle*/) {
  return call();
}

bool CheapestCalls::map(uint32_t /*handle*/) {
  return call();
}

bool CheapestCalls::make_evictable(uint32_t /*handle*/) {
  return call();
}

PrivateCache::Bo PrivateCache::add(uint32_t handle, uint64_t size) {
  return used_.insert(used_.end(), {.handle = handle, .size = size});
}

PrivateCache::Bo PrivateCache::take(uint64_t size) {
  Bo bo;
  {
    const std::lock_guard lock(mutex_);
    Bucket& bucket = bucket_of(size);
    for (bo = bucket.bos.begin(); bo != bucket.bos.end(); ++bo) {
      if (bo->size >= size && calls_.is_idle(bo->handle) && calls_.make_unevictable(bo->handle)) break;
    }
    if (bo == bucket.bos.end()) throw std::runtime_error("the private cache has no such BO");
    used_.splice(used_.end(), bucket.bos, bo);
  }
  if (!calls_.map(bo->handle)) throw std::runtime_error("the BO cannot be mapped");
  return bo;
}

void PrivateCache::put(Bo bo) {
  const std::lock_guard lock(mutex_);
  if (!calls_.make_evictable(bo->handle)) throw std::runtime_error("the BO cannot be made evictable");
  bo->released_s = now_s();
  Bucket& bucket = bucket_of(bo->size);
  bucket.bos.splice(bucket.bos.end(), used_, bo);
  if (bo->released_s - bucket.bos.front().released_s > 2) throw std::runtime_error("the private cache grew stale");
}

PrivateCache::Bucket& PrivateCache::bucket_of(uint64_t size) {
  return buckets_[static_cast<size_t>(std::bit_width(size) - 1)];
}

}  // namespace panbo
