#include "tests/replay/mesa_panfrost.h"

#include <algorithm>
#include <bit>

namespace panbo::replay {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kLargestBucket = uint64_t{4} << 20;

}  // namespace

std::optional<size_t> MesaPanfrost::bucket_of(uint64_t size) const {
  return std::bit_width(std::min(size, kLargestBucket));
}

uint64_t MesaPanfrost::size_to_create(uint64_t size) const {
  return (size + kPage - 1) & ~(kPage - 1);
}

PrivateCaches::Bucket::iterator MesaPanfrost::find(Bucket& bucket, uint64_t size, uint32_t flags) const {
  const auto fits = std::find_if(bucket.begin(), bucket.end(),
                                 [&](const Entry& entry) { return entry.size >= size && entry.flags == flags; });
  return fits == bucket.end() || fits->busy ? bucket.end() : fits;
}

}  // namespace panbo::replay
