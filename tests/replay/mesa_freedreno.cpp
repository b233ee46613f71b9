#include "tests/replay/mesa_freedreno.h"

#include <algorithm>
#include <bit>

namespace panbo::replay {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kLargestBucket = uint64_t{112} << 20;

uint64_t round_up(uint64_t size, uint64_t step) {
  return (size + step - 1) & ~(step - 1);
}

}  // namespace

// A bucket is named by its size.
std::optional<size_t> MesaFreedreno::bucket_of(uint64_t size) const {
  const uint64_t bucket = size_to_create(size);
  if (bucket > kLargestBucket) return std::nullopt;
  return bucket;
}

uint64_t MesaFreedreno::size_to_create(uint64_t size) const {
  const uint64_t exact = round_up(size, kPage);
  if (exact > kLargestBucket) return exact;
  return round_up(exact, std::max(kPage, std::bit_floor(exact) / 4));
}

PrivateCaches::Bucket::iterator MesaFreedreno::find(Bucket& bucket, uint64_t /*size*/, uint32_t flags) const {
  const auto stop = std::find_if(bucket.begin(), bucket.end(),
                                 [&](const Entry& entry) { return entry.busy || entry.flags == flags; });
  return stop == bucket.end() || stop->busy ? bucket.end() : stop;
}

}  // namespace panbo::replay
