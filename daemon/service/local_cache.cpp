// Looking at a table is cheap, but not free, and an idle system must do nothing at all: so a scan comes only while some
// table is watched, and each scan looks at those that are. Whoever needs memory looks at all of them, since a client's
// message that it has something unused may still be on its way.
//
// The daemon's clock decides, not the client's: a lease is unused since the scan that first saw it so. So it is taken
// between one and two intervals after its time, and no client can make itself look busier than it is without freeing
// and using its leases.
//
// What decays goes the way of every release, to the cache, where others may want it. What is taken because memory is
// wanted is destroyed when it comes back.

#include "daemon/service/local_cache.h"

#include <algorithm>
#include <utility>

namespace panbo {
namespace {

uint64_t less(uint64_t a, uint64_t b) {
  return a - std::min(a, b);
}

}  // namespace

LocalCache::LocalCache(BoPool& pool, LocalOptions options, std::function<void(ClientId, const Amount&)> on_overdue)
    : pool_(pool),
      options_(options),
      interval_(std::clamp(options.decay / 4, Duration(std::chrono::milliseconds(1)), options.interval)),
      on_overdue_(std::move(on_overdue)) {
}

void LocalCache::open(ClientId client, ClientPort& port, std::shared_ptr<const Account> account,
                      std::span<LeaseWord> table) {
  clients_.emplace(client, Client{.port = &port, .account = std::move(account), .leases = LocalLeases(table)});
}

void LocalCache::close(ClientId client) {
  clients_.erase(client);
}

bool LocalCache::has_room(ClientId client) const {
  const auto found = clients_.find(client);
  return found != clients_.end() && found->second.leases.has_room();
}

uint32_t LocalCache::add(ClientId client, const Bo& bo, LeaseUse use, Time now) {
  const auto found = clients_.find(client);
  if (found == clients_.end() || bo.key.kind == BoKind::kHeap) return 0;
  const uint32_t slot = found->second.leases.add(bo.id, bo.key.size, use, now);
  if (found->second.leases.watched() && !scan_at_) scan_at_ = now + interval_;
  return slot;
}

LeaseEnd LocalCache::remove(ClientId id, uint32_t slot) {
  if (slot == 0) return {};
  Client& client = clients_.at(id);
  const uint64_t taken = client.leases.taken().count;
  const LeaseEnd end = client.leases.remove(slot);
  outstanding_ -= taken - client.leases.taken().count;
  if (client.leases.taken().count == 0) client.overdue = false;
  if (outstanding_ == 0) overdue_at_.reset();
  return end;
}

void LocalCache::client_says_unused(ClientId client, Time now) {
  clients_.at(client).leases.client_says_unused();
  if (!scan_at_) scan_at_ = now + interval_;
}

Amount LocalCache::unused() const {
  Amount sum;
  for (const auto& [id, client] : clients_) sum += client.leases.unused();
  return sum;
}

Amount LocalCache::unused(ClientId client) const {
  const auto found = clients_.find(client);
  return found == clients_.end() ? Amount{} : found->second.leases.unused();
}

Amount LocalCache::taken() const {
  Amount sum;
  for (const auto& [id, client] : clients_) sum += client.leases.taken();
  return sum;
}

Amount LocalCache::taken(ClientId client) const {
  const auto found = clients_.find(client);
  return found == clients_.end() ? Amount{} : found->second.leases.taken();
}

Amount LocalCache::take(const Need& need, Time now) {
  auto candidates = look_at_all(need.account, now);
  return take(candidates, need, now);
}

bool LocalCache::ask_back(const Need& need, Time now) {
  auto candidates = look_at_all(need.account, now);
  Amount coming;
  for (const auto& [id, client] : clients_) {
    if (!counts_for(client, need.account)) continue;
    coming += client.leases.taken_after(now - options_.grace);
  }
  if (need.bytes != kEverything) {
    Amount unused;
    for (const Candidate& candidate : candidates) unused.add(candidate.lease.bytes);
    const Need rest{.bytes = less(need.bytes, coming.bytes), .bos = less(need.bos, coming.count)};
    if (rest.bytes > unused.bytes || rest.bos > unused.count) return false;
    coming.count += take(candidates, rest, now).count;
  } else {
    coming.count += take(candidates, need, now).count;
  }
  return coming.count > 0;
}

std::optional<Time> LocalCache::next_deadline() const {
  return earlier(scan_at_, overdue_at_);
}

bool LocalCache::tick(Time now) {
  if (overdue_at_ && *overdue_at_ <= now) find_overdue(now);
  if (!scan_at_ || *scan_at_ > now) return false;
  for (auto& [id, client] : clients_) {
    if (client.leases.watched()) client.leases.look(now);
  }
  keep_headroom(now);
  scan_at_.reset();
  for (auto& [id, client] : clients_) {
    if (!client.leases.watched()) continue;
    take_decayed(client, now);
    client.leases.rest(now);
    if (client.leases.watched()) scan_at_ = now + interval_;
  }
  return true;
}

bool LocalCache::counts_for(const Client& client, const Account* account) {
  if (account == nullptr) return true;
  const Account* charged = client.account.get();
  while (charged != nullptr && charged != account) charged = charged->parent();
  return charged != nullptr;
}

std::vector<LocalCache::Candidate> LocalCache::look_at_all(const Account* account, Time now) {
  std::vector<Candidate> candidates;
  std::vector<LocalLeases::Unused> unused;
  for (auto& [id, client] : clients_) {
    if (!counts_for(client, account)) continue;
    client.leases.look(now);
    if (client.leases.watched() && !scan_at_) scan_at_ = now + interval_;
    unused.clear();
    client.leases.append_unused(unused);
    for (const LocalLeases::Unused& lease : unused) candidates.push_back({.lease = lease, .client = &client});
  }
  return candidates;
}

Amount LocalCache::take(std::vector<Candidate>& candidates, const Need& need, Time now) {
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.lease.since < b.lease.since; });
  Amount taken;
  for (const Candidate& candidate : candidates) {
    if (taken.bytes >= need.bytes && taken.count >= need.bos) break;
    if (!candidate.client->leases.take(candidate.lease.slot, AfterRelease::kDestroy, now)) continue;
    taken.add(candidate.lease.bytes);
    candidate.client->ring_due = true;
  }
  took(taken.count, now);
  for (auto& [id, client] : clients_) {
    if (std::exchange(client.ring_due, false)) client.port->ring();
  }
  return taken;
}

void LocalCache::took(uint64_t count, Time now) {
  outstanding_ += count;
  if (count > 0) overdue_at_ = earlier(overdue_at_, now + options_.overdue);
}

// Ready BOs go first: they help nobody at this moment, while an unused lease is somebody's next allocation.
void LocalCache::keep_headroom(Time now) {
  const uint64_t excess = pool_.keep_headroom(unused().bytes, now);
  if (excess > 0) take({.bytes = excess}, now);
}

void LocalCache::take_decayed(Client& client, Time now) {
  std::vector<LocalLeases::Unused> unused;
  client.leases.append_unused(unused);
  uint64_t taken = 0;
  for (const LocalLeases::Unused& lease : unused) {
    if (now - lease.since < options_.decay) continue;
    if (client.leases.take(lease.slot, AfterRelease::kCache, now)) ++taken;
  }
  took(taken, now);
  if (taken > 0) client.port->ring();
}

void LocalCache::find_overdue(Time now) {
  overdue_at_.reset();
  for (auto& [id, client] : clients_) {
    const auto first = client.leases.first_taken();
    if (!first || client.overdue) continue;
    if (now - *first < options_.overdue) {
      overdue_at_ = earlier(overdue_at_, *first + options_.overdue);
      continue;
    }
    client.overdue = true;
    if (on_overdue_) on_overdue_(id, client.leases.taken());
  }
}

}  // namespace panbo
