// BOs of one lifetime enter in the order in which they go, but for those that a client had kept unused before. To find
// their places would be a search, and they are few: one that goes before all others is put to the front, and any other
// one goes no earlier than the one before it.

#include "daemon/core/expiring_bos.h"

#include <algorithm>
#include <cassert>

namespace panbo {

void ExpiringBos::insert(Bo& bo, Duration lifetime) {
  auto queue = std::find_if(queues_.begin(), queues_.end(), [&](const Queue& q) { return q.lifetime == lifetime; });
  if (queue == queues_.end()) {
    queues_.push_back({.lifetime = lifetime, .bos = {}});
    queue = std::prev(queues_.end());
    assert(queues_.size() <= UINT8_MAX);
  }
  bo.expiring_queue = static_cast<uint8_t>(queue - queues_.begin());
  const Bo* first = queue->bos.front();
  if (first != nullptr && bo.since < first->since) {
    queue->bos.push_front(bo);
  } else {
    queue->bos.push_back(bo);
  }
}

void ExpiringBos::remove(Bo& bo) {
  if (bo.in_expiring.linked()) queues_[bo.expiring_queue].bos.remove(bo);
}

std::optional<ExpiringBos::Next> ExpiringBos::next() const {
  std::optional<Next> next;
  for (const Queue& queue : queues_) {
    Bo* first = queue.bos.front();
    if (first == nullptr) continue;
    const Time due = first->since + queue.lifetime;
    if (!next || due < next->due) next = Next{.bo = first, .due = due};
  }
  return next;
}

}  // namespace panbo
