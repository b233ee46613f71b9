// The service joins three things: sessions, which say who may ask for what; the allocator and its pool, which find the
// memory; and the requests that are under way (alloc_requests.h).
//
// Whatever may have freed memory or quota ends with serve_waiting(), so that nobody waits for what is there.
//
// A client that breaks the protocol is answered and closed; one that asks for nonsense is only answered. Neither
// changes anything for anybody else.

#include "daemon/service/service.h"

#include <algorithm>

#include "daemon/service/alloc_flags.h"
#include "daemon/service/label_tally.h"
#include "proto/limits.h"

namespace panbo {

Service::Service(Device& device, DeviceWorker* worker, const MemoryGauge& memory, const Clock& clock,
                 ServiceOptions options)
    : device_(device),
      memory_(memory),
      clock_(clock),
      options_(std::move(options)),
      pool_(device, worker, memory, options_.pool),
      allocator_(device, worker, memory, pool_, options_.allocator),
      local_(pool_, options_.local,
             [this](ClientId client, const Amount& amount) {
               if (options_.on_overdue) options_.on_overdue(row(sessions_.at(client)), amount);
             }),
      requests_(allocator_, pool_, local_, *this),
      board_(std::make_shared<Account>("the board", options_.board_quota, nullptr)) {
}

ClientId Service::connect(const Peer& peer, ClientPort& port) {
  const ClientId id{next_client_++};
  auto account =
      std::make_shared<Account>("client " + std::to_string(id.value), options_.client_quota, user_account(peer.uid));
  sessions_.emplace(id, Session{.id = id, .peer = peer, .port = &port, .account = std::move(account)});
  return id;
}

void Service::disconnect(ClientId client) {
  const auto session = sessions_.find(client);
  if (session == sessions_.end()) return;
  const Time now = clock_.now();
  requests_.cancel_client(client, now);
  for (const auto& [id, lease] : session->second.leases) take_back(client, lease, AfterRelease::kCache, now);
  local_.close(client);
  if (options_.observer != nullptr && session->second.greeted) options_.observer->departed(client);
  sessions_.erase(session);
  std::erase_if(users_, [](const auto& user) { return user.second.expired(); });
  requests_.serve_waiting(now);
}

std::shared_ptr<Account> Service::account(ClientId client) const {
  return sessions_.at(client).account;
}

std::shared_ptr<Account> Service::user_account(uint32_t uid) {
  auto account = users_[uid].lock();
  if (account == nullptr) {
    account = std::make_shared<Account>("uid " + std::to_string(uid), options_.user_quota, board_);
    users_[uid] = account;
  }
  return account;
}

void Service::handle(ClientId client, RequestId request, ClientRequest message) {
  const auto found = sessions_.find(client);
  if (found == sessions_.end()) return;
  Session& session = found->second;
  if (session.greeted == std::holds_alternative<HelloRequest>(message)) {
    const char* what = session.greeted ? "a second Hello" : "the first message must be Hello";
    session.port->reply(request, FailureReply{FailureKind::kProtocol, what});
    session.port->close();
    return;
  }
  std::visit([&](auto& m) { on_request(session, request, m); }, message);
  requests_.serve_waiting(clock_.now());
}

void Service::on_request(Session& session, RequestId request, const HelloRequest& hello) {
  if (hello.protocol_version < limits::kProtocolVersion) {
    session.port->reply(request, FailureReply{FailureKind::kVersion,
                                              "this daemon speaks protocol version 1, the client an unknown one"});
    session.port->close();
    return;
  }
  session.greeted = true;
  session.name = hello.name;
  if (options_.observer != nullptr) options_.observer->arrived(session.id, session.peer, session.name);
  const bool keeps = hello.lease_table && local_.enabled();
  const auto table = keeps ? session.port->make_lease_table() : std::span<LeaseWord>();
  if (!table.empty()) local_.open(session.id, *session.port, session.account, table);
  session.port->reply(request, WelcomeReply{.protocol_version = limits::kProtocolVersion,
                                            .client = session.id,
                                            .max_bo_size = device_.limits().max_bo_size,
                                            .page_size = device_.limits().page_size,
                                            .lease_table_words = static_cast<uint32_t>(table.size())});
}

void Service::on_request(Session& session, RequestId request, AllocRequest& alloc) {
  auto demands = demands_of(session, alloc);
  if (!demands) {
    session.port->reply(request, FailureReply{FailureKind::kInvalidArgument,
                                              "a size or flag is out of range, or flags contradict each other"});
    return;
  }
  counts_.requests += demands->size();
  requests_.start({session.id, request}, *std::move(demands), alloc.timeout, clock_.now());
}

void Service::on_request(Session& session, RequestId request, const ReleaseRequest& release) {
  size_t unknown = 0;
  for (const LeaseId lease : release.leases) {
    const auto found = session.leases.find(lease);
    if (found == session.leases.end()) {
      ++unknown;
      continue;
    }
    const Lease ended = found->second;
    session.leases.erase(found);
    session.leased.remove(pool_.find(ended.bo)->key.size);
    take_back(session.id, ended, release.shared ? AfterRelease::kDestroy : AfterRelease::kCache, clock_.now());
  }
  if (unknown > 0) {
    session.port->reply(request, FailureReply{FailureKind::kUnknownLease,
                                              std::to_string(unknown) + " of the leases named are not this client's"});
  }
}

void Service::on_request(Session& session, RequestId request, const LeasesUnusedRequest&) {
  if (!local_.has_table(session.id)) {
    session.port->reply(request, FailureReply{FailureKind::kInvalidArgument, "this client has no lease table"});
    return;
  }
  local_.client_says_unused(session.id, clock_.now());
}

void Service::take_back(ClientId client, const Lease& lease, AfterRelease after, Time now) {
  LeaseEnd end = local_.remove(client, lease.slot);
  if (after == AfterRelease::kDestroy) end.after = after;
  pool_.release(*pool_.find(lease.bo), now, end);
  if (options_.observer == nullptr) return;
  const Bo* bo = pool_.find(lease.bo);
  options_.observer->released(client, lease.bo, bo != nullptr && bo->state == BoState::kDraining);
}

Result<std::vector<Demand>> Service::demands_of(const Session& session, AllocRequest& alloc) const {
  if (alloc.items.empty()) return Errno{EINVAL};
  const uint64_t max_size = device_.limits().max_bo_size;
  std::vector<Demand> demands;
  demands.reserve(alloc.items.size());
  for (AllocItem& item : alloc.items) {
    const auto kind = kind_of_flags(item.flags);
    if (!kind || item.size == 0 || item.size > max_size) return Errno{EINVAL};
    // The domain is the user: processes of one user may read each other's memory anyway.
    demands.push_back({.domain = DomainId{session.peer.uid},
                       .client = session.id,
                       .user = UserId{session.peer.uid},
                       .account = session.account,
                       .kind = *kind,
                       .size = item.size,
                       .zeroed = (item.flags & kAllocZeroed) != 0,
                       .extra = local_.has_table(session.id) ? item.extra : 0,
                       .label = std::move(item.label)});
  }
  return demands;
}

void Service::granted(const Asker& asker, const std::vector<Demand>& demands, const std::vector<Loan>& loans,
                      bool waited) {
  Session& session = sessions_.at(asker.client);
  const Time now = clock_.now();
  GrantedReply reply;
  reply.grants.reserve(loans.size());
  for (size_t i = 0; i < loans.size(); ++i) {
    Grant granted = grant(session, demands[i], loans[i], LeaseUse::kInUse, now);
    if (waited) granted.origin = Origin::kWaited;
    ++(waited ? counts_.waited : loans[i].fresh ? counts_.fresh : counts_.cached);
    reply.grants.push_back(granted);
  }
  // What is ready belongs to those who wait, before it belongs to somebody's future.
  if (!requests_.somebody_waits()) add_extras(session, demands, reply, now);
  session.port->reply(asker.request, std::move(reply));
}

Grant Service::grant(Session& session, const Demand& demand, const Loan& loan, LeaseUse use, Time now) {
  const LeaseId id{next_lease_++};
  if (options_.observer != nullptr) options_.observer->lent(session.id, loan.bo->id, demand);
  const Lease lease{.bo = loan.bo->id, .slot = local_.add(session.id, *loan.bo, use, now)};
  session.leases.emplace(id, lease);
  session.leased.add(loan.bo->key.size);
  Grant granted{
      .lease = id, .bo = loan.bo->device, .origin = loan.fresh ? Origin::kFresh : Origin::kCached, .slot = lease.slot};
  if (loan.bo->label.text() != demand.label) {
    loan.bo->label.set(demand.label);
    granted.name = demand.label;
  }
  return granted;
}

// They cost the request nothing: whatever is in the way of one more ends it.
void Service::add_extras(Session& session, const std::vector<Demand>& demands, GrantedReply& reply, Time now) {
  for (size_t i = 0; i < demands.size(); ++i) {
    const Demand& demand = demands[i];
    if (demand.zeroed || demand.kind == BoKind::kHeap) continue;
    for (uint32_t extra = 0; extra < demand.extra && reply.grants.size() < limits::kMaxBatch; ++extra) {
      if (!local_.has_room(session.id)) return;
      const auto loan = allocator_.allocate_ready(demand, now);
      if (!loan) break;
      Grant granted = grant(session, demand, *loan, LeaseUse::kUnused, now);
      granted.extra_of = static_cast<uint32_t>(i + 1);
      reply.grants.push_back(granted);
    }
  }
}

void Service::failed(const Asker& asker, const std::vector<Demand>& demands, Errno error) {
  const Session& session = sessions_.at(asker.client);
  counts_.failed += demands.size();
  FailureReply failure = failure_of(error, demands);
  if (options_.on_shortage) options_.on_shortage(shortage_of(session, demands, failure.message));
  session.port->reply(asker.request, std::move(failure));
}

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
      return {FailureKind::kOverQuota, "over the quota of " + full->name() + ": " + std::string(full->lacking(cost))};
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
  auto& holders = shortage.largest_holders;
  for (const auto& [id, other] : sessions_) holders.push_back(row(other));
  const size_t shown = std::min<size_t>(holders.size(), 3);
  std::partial_sort(holders.begin(), holders.begin() + static_cast<ptrdiff_t>(shown), holders.end(),
                    [](const ClientRow& a, const ClientRow& b) { return a.leased.bytes > b.leased.bytes; });
  holders.resize(shown);
  return shortage;
}

void Service::on_idle(BoId bo) {
  const Time now = clock_.now();
  if (options_.observer != nullptr) options_.observer->idle(bo);
  pool_.on_idle(bo, now);
  requests_.serve_waiting(now);
}

void Service::on_created(BoId bo, const Result<DeviceBo>& result) {
  const Time now = clock_.now();
  if (!allocator_.restocked(bo, result, now)) requests_.on_created(bo, result, now);
  requests_.serve_waiting(now);
}

void Service::on_destroyed(uint64_t bytes) {
  const Time now = clock_.now();
  pool_.on_destroyed(bytes, now);
  requests_.serve_waiting(now);
}

void Service::on_pressure(Pressure pressure) {
  const Time now = clock_.now();
  if (pressure == Pressure::kFull) {
    pool_.shrink_to(0, now);
    local_.take({.bytes = kEverything}, now);
  } else {
    pool_.shrink_to(pool_.ready().bytes / 2, now);
    local_.take({.bytes = (local_.unused().bytes + 1) / 2}, now);
  }
  pool_.check_stock(now);
  for (auto& [id, session] : sessions_) {
    if (session.greeted) session.port->reply(RequestId{}, PressureEvent{pressure});
  }
  requests_.serve_waiting(now);
}

std::optional<Time> Service::next_deadline() const {
  return earlier(earlier(pool_.next_deadline(), local_.next_deadline()), requests_.next_deadline());
}

void Service::tick() {
  const Time now = clock_.now();
  // Before the pool, which then need not look at the board's memory again.
  if (local_.tick(now)) requests_.ask_back(now);
  pool_.tick(now);
  requests_.serve_waiting(now);
  requests_.tick(now);
  allocator_.restock(!requests_.somebody_waits(), local_.unused().bytes, now);
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

AdminReply Service::handle_admin(const AdminRequest& message) {
  if (std::holds_alternative<StatsRequest>(message)) return stats();
  if (const auto* evict_request = std::get_if<EvictRequest>(&message)) {
    const EvictedReply evicted = evict(*evict_request);
    requests_.serve_waiting(clock_.now());
    return evicted;
  }
  if (std::holds_alternative<LabelsRequest>(message)) return labels();
  ClientsReply reply;
  for (const auto& [id, session] : sessions_) reply.clients.push_back(row(session));
  std::sort(reply.clients.begin(), reply.clients.end(),
            [](const ClientRow& a, const ClientRow& b) { return a.id < b.id; });
  return reply;
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

EvictedReply Service::evict(const EvictRequest& what) {
  const Time now = clock_.now();
  if (const auto* bytes = std::get_if<EvictBytes>(&what)) {
    const Amount evicted = pool_.evict_bytes(bytes->bytes, SIZE_MAX, now).amount;
    return {evicted, local_.take({.bytes = bytes->bytes - std::min(bytes->bytes, evicted.bytes)}, now)};
  }
  if (const auto* user = std::get_if<EvictUid>(&what)) {
    const auto account = user_account(user->uid);
    return {pool_.evict_user(UserId{user->uid}, SIZE_MAX, now).amount,
            local_.take({.account = account.get(), .bytes = kEverything}, now)};
  }
  return {pool_.evict_all(SIZE_MAX, now).amount, local_.take({.bytes = kEverything}, now)};
}

ClientRow Service::row(const Session& session) const {
  return {.id = session.id,
          .name = session.name,
          .peer = session.peer,
          .leased = session.leased,
          .local = local_.unused(session.id),
          .taken = local_.taken(session.id)};
}

}  // namespace panbo
