// The service joins three things: sessions, which say who may ask for what; the allocator and its pool, which find the
// memory; and the requests that wait for it.
//
// A request is served whole or not at all. What it got before it failed goes back to the cache unsent. If it may
// wait, it is tried again whenever the pool has new supplies, those who came first before the others: first each takes
// what is ready and fits, then the whole ladder is tried, so that a large request does not evict what a small one
// could have had. After one failed, only smaller ones are tried: the kernel is not asked again for what it has not got.
//
// A client that breaks the protocol is answered and closed; one that asks for nonsense is only answered. Neither
// changes anything for anybody else.

#include "daemon/service/service.h"

#include <algorithm>

#include "daemon/service/alloc_flags.h"
#include "proto/limits.h"

namespace panbo {
namespace {

FailureReply failure_of(Errno error) {
  switch (error.value) {
    case ENOMEM:
    case ENOSPC:
      return {FailureKind::kOutOfMemory, "no memory, with everything ready given back"};
    default:
      return {FailureKind::kDevice, "the device failed: " + error.message()};
  }
}

uint64_t bytes_of(const std::vector<Demand>& demands) {
  uint64_t bytes = 0;
  for (const Demand& demand : demands) bytes += demand.size;
  return bytes;
}

}  // namespace

Service::Service(Device& device, const Clock& clock, ServiceOptions options)
    : device_(device),
      clock_(clock),
      options_(std::move(options)),
      pool_(device, options_.pool),
      allocator_(device, pool_) {
}

ClientId Service::connect(const Peer& peer, ClientPort& port) {
  const ClientId id{next_client_++};
  sessions_.emplace(id, Session{.id = id, .peer = peer, .port = &port});
  return id;
}

void Service::disconnect(ClientId client) {
  const auto session = sessions_.find(client);
  if (session == sessions_.end()) return;
  waiting_.erase_client(client);
  for (const auto& [lease, bo] : session->second.leases) pool_.release(*pool_.find(bo), clock_.now());
  sessions_.erase(session);
  serve_waiting();
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
  serve_waiting();
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
  session.port->reply(request, WelcomeReply{.protocol_version = limits::kProtocolVersion,
                                            .client = session.id,
                                            .max_bo_size = device_.limits().max_bo_size});
}

void Service::on_request(Session& session, RequestId request, AllocRequest& alloc) {
  const auto demands = demands_of(session, alloc);
  if (!demands) {
    session.port->reply(request, FailureReply{FailureKind::kInvalidArgument,
                                              "a size or flag is out of range, or flags contradict each other"});
    return;
  }
  counts_.requests += demands->size();
  const auto loans = allocate(*demands, Ladder::kWhole);
  if (loans) {
    grant(session, request, *loans, std::nullopt);
  } else if (loans.error() != Errno{ENOMEM} || alloc.timeout <= Duration::zero()) {
    fail(session, request, *demands, failure_of(loans.error()));
  } else if (waiting_.count(session.id) >= options_.max_waiting_per_client) {
    fail(session, request, *demands, {FailureKind::kOverQuota, "too many requests of this client wait already"});
  } else {
    // Sums up to the end of time at most.
    const Time now = clock_.now();
    const Duration timeout = std::min(alloc.timeout, Time::max() - now);
    waiting_.push({.client = session.id, .request = request, .demands = *demands, .deadline = now + timeout});
  }
}

void Service::on_request(Session& session, RequestId request, const ReleaseRequest& release) {
  size_t unknown = 0;
  for (const LeaseId lease : release.leases) {
    const auto found = session.leases.find(lease);
    if (found == session.leases.end()) {
      ++unknown;
      continue;
    }
    Bo& bo = *pool_.find(found->second);
    session.leases.erase(found);
    session.leased.remove(bo.key.size);
    pool_.release(bo, clock_.now());
  }
  if (unknown > 0) {
    session.port->reply(request, FailureReply{FailureKind::kUnknownLease,
                                              std::to_string(unknown) + " of the leases named are not this client's"});
  }
}

Result<std::vector<Demand>> Service::demands_of(const Session& session, const AllocRequest& alloc) const {
  if (alloc.items.empty()) return Errno{EINVAL};
  const uint64_t max_size = device_.limits().max_bo_size;
  std::vector<Demand> demands;
  demands.reserve(alloc.items.size());
  for (const AllocItem& item : alloc.items) {
    const auto kind = kind_of_flags(item.flags);
    if (!kind || item.size == 0 || item.size > max_size) return Errno{EINVAL};
    // The domain is the user: processes of one user may read each other's memory anyway.
    demands.push_back({.domain = DomainId{session.peer.uid},
                       .client = session.id,
                       .user = UserId{session.peer.uid},
                       .kind = *kind,
                       .size = item.size,
                       .zeroed = (item.flags & kAllocZeroed) != 0});
  }
  return demands;
}

Result<Service::Loans> Service::allocate(const std::vector<Demand>& demands, Ladder ladder) {
  const Time now = clock_.now();
  Loans loans;
  loans.reserve(demands.size());
  for (const Demand& demand : demands) {
    auto loan = ladder == Ladder::kWhole ? allocator_.allocate(demand, now) : allocator_.allocate_ready(demand, now);
    if (!loan) {
      for (const Loan& got : loans) pool_.take_back_unsent(*got.bo, now);
      return loan.error();
    }
    loans.push_back(*loan);
  }
  return loans;
}

void Service::grant(Session& session, RequestId request, const Loans& loans, std::optional<Origin> origin) {
  GrantedReply reply;
  reply.grants.reserve(loans.size());
  for (const Loan& loan : loans) {
    const LeaseId lease{next_lease_++};
    session.leases.emplace(lease, loan.bo->id);
    session.leased.add(loan.bo->key.size);
    const Origin from = origin.value_or(loan.fresh ? Origin::kFresh : Origin::kCached);
    ++(from == Origin::kWaited ? counts_.waited : from == Origin::kFresh ? counts_.fresh : counts_.cached);
    reply.grants.push_back({.lease = lease, .bo = loan.bo->device, .origin = from});
  }
  session.port->reply(request, std::move(reply));
}

void Service::serve_waiting() {
  if (pool_.supplies() == supplies_seen_) return;
  serve_waiting(Ladder::kReadyOnly);
  serve_waiting(Ladder::kWhole);
  supplies_seen_ = pool_.supplies();
}

void Service::serve_waiting(Ladder ladder) {
  uint64_t too_much = UINT64_MAX;
  for (auto waiting = waiting_.begin(); waiting != waiting_.end();) {
    const uint64_t bytes = bytes_of(waiting->demands);
    const bool hopeless = ladder == Ladder::kWhole && bytes >= too_much;
    const auto loans = hopeless ? Errno{ENOMEM} : allocate(waiting->demands, ladder);
    if (loans) {
      grant(sessions_.at(waiting->client), waiting->request, *loans, Origin::kWaited);
      waiting = waiting_.erase(waiting);
    } else {
      too_much = std::min(too_much, bytes);
      ++waiting;
    }
  }
}

void Service::fail(Session& session, RequestId request, const std::vector<Demand>& demands, FailureReply failure) {
  counts_.failed += demands.size();
  if (options_.on_shortage) {
    Shortage shortage{
        .client = session.row(), .asked_bytes = bytes_of(demands), .reason = failure.message, .stats = stats()};
    for (const auto& [id, other] : sessions_) shortage.largest_holders.push_back(other.row());
    auto& holders = shortage.largest_holders;
    const size_t shown = std::min<size_t>(holders.size(), 3);
    std::partial_sort(holders.begin(), holders.begin() + static_cast<ptrdiff_t>(shown), holders.end(),
                      [](const ClientRow& a, const ClientRow& b) { return a.leased.bytes > b.leased.bytes; });
    holders.resize(shown);
    options_.on_shortage(shortage);
  }
  session.port->reply(request, std::move(failure));
}

void Service::on_idle(BoId bo) {
  pool_.on_idle(bo, clock_.now());
  serve_waiting();
}

std::optional<Time> Service::next_deadline() const {
  return earlier(pool_.next_deadline(), waiting_.next_deadline());
}

void Service::tick() {
  const Time now = clock_.now();
  pool_.tick(now);
  serve_waiting();
  for (const WaitingRequest& expired : waiting_.take_expired(now)) {
    fail(sessions_.at(expired.client), expired.request, expired.demands,
         {FailureKind::kTimedOut, "no memory became free in time"});
  }
}

Stats Service::stats() const {
  Stats stats = counts_;
  stats.leased = pool_.amount(BoState::kLeased);
  stats.draining = pool_.amount(BoState::kDraining);
  stats.held = pool_.amount(BoState::kHeld);
  stats.ready = pool_.amount(BoState::kReady);
  stats.evicted = pool_.evicted();
  stats.purged = pool_.purged();
  return stats;
}

AdminReply Service::handle_admin(const AdminRequest& message) {
  if (std::holds_alternative<StatsRequest>(message)) return stats();
  if (const auto* evict_request = std::get_if<EvictRequest>(&message)) {
    const Amount evicted = evict(*evict_request);
    serve_waiting();
    return EvictedReply{evicted};
  }
  ClientsReply reply;
  for (const auto& [id, session] : sessions_) reply.clients.push_back(session.row());
  std::sort(reply.clients.begin(), reply.clients.end(),
            [](const ClientRow& a, const ClientRow& b) { return a.id < b.id; });
  return reply;
}

Amount Service::evict(const EvictRequest& what) {
  const Time now = clock_.now();
  if (const auto* bytes = std::get_if<EvictBytes>(&what)) return pool_.evict_bytes(bytes->bytes, now);
  if (const auto* user = std::get_if<EvictUid>(&what)) return pool_.evict_user(UserId{user->uid}, now);
  return pool_.evict_all(now);
}

}  // namespace panbo
