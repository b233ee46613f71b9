// What the service says of itself: why a request failed, what there is, who has what.

#include <algorithm>

#include "daemon/service/label_tally.h"
#include "daemon/service/service.h"

namespace panbo {

FailureReply Service::failure_of(Errno error, const std::vector<Demand>& demands) const {
  switch (error.value) {
    case ENOMEM:
    case ENOSPC:
      return {FailureKind::kOutOfMemory, "no memory, even with everything ready given back"};
    case ETIMEDOUT:
      return {FailureKind::kTimedOut, "no memory became free in time"};
    case EDQUOT: {
      Cost cost = allocator_.cost_of(demands);
      // If there is room for that, it was the request itself that was one too many.
      if (demands.front().account->full_for(cost) == nullptr) cost = {.requests = 1};
      const Account* full = demands.front().account->full_for(cost);
      if (full == nullptr) return {FailureKind::kOverQuota, "over the quota of the client"};
      const Account* child = demands.front().account->child_below(*full);
      return {FailureKind::kOverQuota,
              "over the quota of " + full->name() + ": " + std::string(full->lacking(cost, child))};
    }
    default:
      return {FailureKind::kDevice, "the device failed: " + error.message()};
  }
}

Shortage Service::shortage_of(const Session& session, const std::vector<Demand>& demands,
                              const std::string& reason) const {
  Shortage shortage{.client = row(session),
                    .asked_bytes = allocator_.cost_of(demands).addresses,
                    .available_bytes = memory_.available(),
                    .reason = reason,
                    .stats = stats()};
  std::vector<const Session*> holders;
  holders.reserve(sessions_.size());
  for (const auto& [id, other] : sessions_) holders.push_back(&other);
  const size_t shown = std::min<size_t>(holders.size(), 3);
  std::partial_sort(holders.begin(), holders.begin() + static_cast<ptrdiff_t>(shown), holders.end(),
                    [](const Session* a, const Session* b) { return a->leased.bytes > b->leased.bytes; });
  for (size_t i = 0; i < shown; ++i) shortage.largest_holders.push_back(row(*holders[i]));
  return shortage;
}

Stats Service::stats() const {
  Stats stats = counts_;
  stats.leased = pool_.amount(BoState::kLeased);
  stats.local = local_.unused();
  stats.taken = local_.taken();
  stats.draining = pool_.amount(BoState::kDraining);
  stats.held = pool_.amount(BoState::kHeld);
  stats.ready = pool_.amount(BoState::kReady);
  stats.stock = pool_.amount(BoState::kStocked);
  stats.evicted = pool_.evicted();
  stats.purged = pool_.purged();
  stats.longest_turn = turns_.longest();
  return stats;
}

ClientRow Service::row(const Session& session) const {
  return {.id = session.id,
          .name = session.name,
          .peer = session.peer,
          .leased = session.leased,
          .local = local_.unused(session.id),
          .taken = local_.taken(session.id)};
}

LabelsReply Service::labels() {
  LabelsReply reply;
  for (const auto& [id, session] : sessions_) {
    LabelTally tally;
    for (const auto& [lease_id, lease] : session.leases) {
      const Bo& bo = *pool_.find(lease.bo);
      tally.add(bo.label.text(), bo.key.size);
    }
    tally.append_rows(id, session.name, reply.labels);
  }
  std::sort(reply.labels.begin(), reply.labels.end(), larger_first);
  return reply;
}

}  // namespace panbo
