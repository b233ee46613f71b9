// The BO cache of Mesa's freedreno driver, written from its described behaviour: the best of the private ones.
//
// Source of each rule: src/freedreno/drm/freedreno_bo_cache.c.
//   Buckets are of 1, 2 and 3 pages, then of powers of two and the three quarter steps above each, from 16 KiB to
//   112 MiB; a BO is as large as its bucket; a larger one is not cached  fd_bo_cache_init(), get_bucket()
//   The first, that is oldest, entry with the same flags is taken; a busy one on the way ends the search
//                                                                        find_in_bucket()
//   At a release, but once in each second of the clock, entries with an age of more than 1 go, in whole seconds
//                                                                        fd_bo_cache_free(), fd_bo_cache_cleanup()
// Left out: newer versions serve small BOs from larger ones (fd_bo_heap), on some kernels.
#pragma once

#include "tests/replay/private_caches.h"

namespace panbo::replay {

class MesaFreedreno : public PrivateCaches {
 private:
  [[nodiscard]] std::optional<size_t> bucket_of(uint64_t size) const override;
  [[nodiscard]] uint64_t size_to_create(uint64_t size) const override;
  [[nodiscard]] Bucket::iterator find(Bucket& bucket, uint64_t size, uint32_t flags) const override;
  [[nodiscard]] int64_t longest_age_s() const override { return 1; }
  [[nodiscard]] bool cleans_once_a_second() const override { return true; }
};

}  // namespace panbo::replay
