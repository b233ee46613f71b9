// The BO cache of Mesa's panfrost driver, written from its described behaviour.
//
// Source of each rule: src/panfrost/lib/pan_bo.c and pan_device.h (pan_props and pan_kmod have moved the code about
// since; the rules are the same from Mesa 19.3 to 24).
//   Sizes are rounded up to pages                                           panfrost_bo_create()
//   Buckets are powers of two from 4 KiB to 4 MiB, a BO is in that below its size, and all that is larger is in the
//   last                                                                    pan_bucket_index(),
//   MIN_/MAX_BO_CACHE_BUCKET The first, that is oldest, entry of the bucket with the same flags that is large enough is
//   taken; if it is busy none is panfrost_bo_cache_fetch() At each release, entries with an age of more than 2 go, in
//   whole seconds of the clock
//                                                                           panfrost_bo_cache_evict_stale_bos()
#pragma once

#include "tests/replay/private_caches.h"

namespace panbo::replay {

class MesaPanfrost : public PrivateCaches {
 private:
  [[nodiscard]] std::optional<size_t> bucket_of(uint64_t size) const override;
  [[nodiscard]] uint64_t size_to_create(uint64_t size) const override;
  [[nodiscard]] Bucket::iterator find(Bucket& bucket, uint64_t size, uint32_t flags) const override;
  [[nodiscard]] int64_t longest_age_s() const override { return 2; }
  [[nodiscard]] bool cleans_once_a_second() const override { return false; }
};

}  // namespace panbo::replay
