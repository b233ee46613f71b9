// The service joins three things: sessions, which say who may ask for what; the allocator and its pool, which find the
// memory; and the requests that are under way (alloc_requests.h).
//
// Whatever may have freed memory ends with requests_.wake(), so that nobody waits for what is there. Quota that is given
// back wakes those who wait for it by itself.
//
// A client that breaks the protocol is answered and closed; one that asks for nonsense is only answered. Neither
// changes anything for anybody else.

#include "daemon/service/service.h"

#include <algorithm>

#include "daemon/service/alloc_flags.h"
#include "proto/limits.h"

namespace panbo {
namespace {

/// Leases whose BOs are taken back in one piece, and what one costs: the device is asked who uses the BO and who has it.
constexpr size_t kTakeBackPiece = 8;
constexpr Price kTakeBack = 6 * kDeviceCall;
/// Clients that are told of pressure in one piece, and what that costs for each.
constexpr int kTellPiece = 16;
constexpr Price kTell = kDeviceCall;

}  // namespace

/// The end of a session: gives back its leases.
class Service::Departure final : public Turns::Work {
 public:
  Departure(Service& service, Session session) : service_(service), session_(std::move(session)) {}

  Piece do_piece(Time now) override {
    Price price = service_.work_off(session_, now);
    for (size_t i = 0; i < kTakeBackPiece && !session_.leases.empty(); ++i) {
      const auto first = session_.leases.begin();
      const EndedLease ended{first->second};
      session_.leases.erase(first);
      service_.take_back(session_.id, ended, now);
      price += kTakeBack;
    }
    const bool more = !session_.leases.empty() || session_.backlog_done < session_.backlog.size();
    if (!more) {
      Service& service = service_;
      const bool known = session_.greeted;
      const ClientId id = session_.id;
      service.local_.close(id);
      // This work ends here.
      service.departures_.erase(id);
      if (service.options_.observer != nullptr && known) service.options_.observer->departed(id);
      std::erase_if(service.users_, [](const auto& user) { return user.second.expired(); });
      service.requests_.wake(now);
      return {price, false};
    }
    service_.requests_.wake(now);
    return {price, true};
  }

 private:
  Service& service_;
  Session session_;
};

/// Tells all clients of pressure, a few at a time. Pressure that comes meanwhile begins the round anew.
class Service::Telling final : public Turns::Work {
 public:
  explicit Telling(Service& service) : service_(service) {}

  void tell_all(Pressure pressure, Time now) {
    pressure_ = pressure;
    clients_.clear();
    for (const auto& [id, session] : service_.sessions_) {
      if (session.greeted) clients_.push_back(id);
    }
    if (do_piece(now).more) service_.turns_.add(kHouse, *this);
  }

  Piece do_piece(Time) override {
    Price price = 0;
    for (int i = 0; i < kTellPiece && !clients_.empty(); ++i) {
      const auto session = service_.sessions_.find(clients_.back());
      clients_.pop_back();
      if (session == service_.sessions_.end()) continue;
      session->second.port->reply(RequestId{}, PressureEvent{pressure_});
      price += kTell;
    }
    return {price, !clients_.empty()};
  }

 private:
  Service& service_;
  Pressure pressure_ = Pressure::kSome;
  std::vector<ClientId> clients_;
};

Service::Service(Device& device, DeviceWorker* worker, const MemoryGauge& memory, const Clock& clock,
                 ServiceOptions options)
    : device_(device),
      memory_(memory),
      clock_(clock),
      options_(std::move(options)),
      pool_(device, worker, memory, options_.pool),
      room_(pool_, worker, memory, options_.room),
      allocator_(device, worker, pool_, room_, options_.allocator),
      local_(pool_, options_.local,
             [this](ClientId client, const Amount& amount) {
               if (options_.on_overdue) options_.on_overdue(row(sessions_.at(client)), amount);
             }),
      requests_(allocator_, pool_, room_, local_, turns_, *this),
      board_(std::make_shared<Account>("the board", options_.board_quota, nullptr, options_.board_last_share)),
      telling_(std::make_unique<Telling>(*this)) {
}

Service::~Service() = default;

ClientId Service::connect(const Peer& peer, ClientPort& port) {
  const ClientId id{next_client_++};
  auto account =
      std::make_shared<Account>("client " + std::to_string(id.value), options_.client_quota, user_account(peer.uid));
  sessions_.emplace(id, Session{.id = id, .peer = peer, .port = &port, .account = std::move(account)});
  return id;
}

void Service::disconnect(ClientId client) {
  const auto found = sessions_.find(client);
  if (found == sessions_.end()) return;
  counts_.failed += requests_.cancel_client(client);
  local_.detach(client);
  const UserId user{found->second.peer.uid};
  auto departure = std::make_unique<Departure>(*this, std::move(found->second));
  sessions_.erase(found);
  turns_.add(user, *departure);
  departures_.emplace(client, std::move(departure));
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

Price Service::handle(ClientId client, RequestId request, ClientRequest message) {
  const auto found = sessions_.find(client);
  if (found == sessions_.end()) return 1;
  Session& session = found->second;
  if (session.greeted == std::holds_alternative<HelloRequest>(message)) {
    const char* what = session.greeted ? "a second Hello" : "the first message must be Hello";
    session.port->reply(request, FailureReply{FailureKind::kProtocol, what});
    session.port->close();
    return kDeviceCall;
  }
  const Price price = std::visit([&](auto& m) { return on_request(session, request, m); }, message);
  requests_.wake(clock_.now());
  return price;
}

bool Service::has_backlog(ClientId client) const {
  const auto found = sessions_.find(client);
  return found != sessions_.end() && found->second.backlog_done < found->second.backlog.size();
}

Turns::Work::Piece Service::work_off(ClientId client) {
  const auto found = sessions_.find(client);
  if (found == sessions_.end()) return {};
  const Time now = clock_.now();
  const Price price = work_off(found->second, now);
  requests_.wake(now);
  return {price, has_backlog(client)};
}

Price Service::work_off(Session& session, Time now) {
  Price price = 0;
  for (size_t i = 0; i < kTakeBackPiece && session.backlog_done < session.backlog.size(); ++i) {
    take_back(session.id, session.backlog[session.backlog_done++], now);
    price += kTakeBack;
  }
  if (session.backlog_done == session.backlog.size()) {
    session.backlog.clear();
    session.backlog_done = 0;
  }
  return price;
}

Price Service::on_request(Session& session, RequestId request, const HelloRequest& hello) {
  if (hello.protocol_version < limits::kProtocolVersion) {
    session.port->reply(request, FailureReply{FailureKind::kVersion,
                                              "this daemon speaks protocol version 1, the client an unknown one"});
    session.port->close();
    return kDeviceCall;
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
  return 3 * kDeviceCall;
}

Price Service::on_request(Session& session, RequestId request, AllocRequest& alloc) {
  auto demands = demands_of(session, alloc);
  if (!demands) {
    session.port->reply(request, FailureReply{FailureKind::kInvalidArgument,
                                              "a size or flag is out of range, or flags contradict each other"});
    return kDeviceCall;
  }
  counts_.requests += demands->size();
  return requests_.start({session.id, request}, *std::move(demands), alloc.timeout, clock_.now());
}

Price Service::on_request(Session& session, RequestId request, const ReleaseRequest& release) {
  size_t unknown = 0;
  for (const LeaseId lease : release.leases) {
    const auto found = session.leases.find(lease);
    if (found == session.leases.end()) {
      ++unknown;
      continue;
    }
    session.backlog.push_back({found->second, release.shared ? AfterRelease::kDestroy : AfterRelease::kCache});
    session.leases.erase(found);
    session.leased.remove(pool_.find(session.backlog.back().lease.bo)->key.size);
  }
  if (unknown > 0) {
    session.port->reply(request, FailureReply{FailureKind::kUnknownLease,
                                              std::to_string(unknown) + " of the leases named are not this client's"});
  }
  return static_cast<Price>(release.leases.size()) + work_off(session, clock_.now());
}

Price Service::on_request(Session& session, RequestId request, const LeasesUnusedRequest&) {
  if (!local_.has_table(session.id)) {
    session.port->reply(request, FailureReply{FailureKind::kInvalidArgument, "this client has no lease table"});
    return kDeviceCall;
  }
  local_.client_says_unused(session.id, clock_.now());
  return 1;
}

void Service::take_back(ClientId client, const EndedLease& ended, Time now) {
  const BoId id = ended.lease.bo;
  LeaseEnd end = local_.remove(client, ended.lease.slot);
  if (ended.after == AfterRelease::kDestroy) end.after = AfterRelease::kDestroy;
  pool_.release(*pool_.find(id), now, end);
  if (options_.observer == nullptr) return;
  const Bo* bo = pool_.find(id);
  options_.observer->released(client, id, bo != nullptr && bo->state == BoState::kDraining);
}

Result<std::vector<Demand>> Service::demands_of(const Session& session, AllocRequest& alloc) const {
  if (alloc.items.empty()) return Errno{EINVAL};
  const DeviceLimits limits = device_.limits();
  std::vector<Demand> demands;
  demands.reserve(alloc.items.size());
  for (AllocItem& item : alloc.items) {
    const auto kind = kind_of_flags(item.flags);
    if (!kind || item.size == 0 || item.size > limits.max_bo_size) return Errno{EINVAL};
    // It could be placed nowhere, however empty an arena is.
    if (*kind == BoKind::kExecutable && item.size > limits.max_executable_size) return Errno{EINVAL};
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

Price Service::granted(const Asker& asker, const std::vector<Demand>& demands, const std::vector<Loan>& loans,
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
  Price price = static_cast<Price>(loans.size()) * 3;
  // What is ready in a domain belongs to those of it who wait, before it belongs to somebody's future.
  if (!requests_.waits(demands.front().user)) price += add_extras(session, demands, reply, now);
  session.port->reply(asker.request, std::move(reply));
  return price;
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
Price Service::add_extras(Session& session, const std::vector<Demand>& demands, GrantedReply& reply, Time now) {
  Price price = 0;
  for (size_t i = 0; i < demands.size(); ++i) {
    const Demand& demand = demands[i];
    if (demand.zeroed || demand.kind == BoKind::kHeap) continue;
    for (uint32_t extra = 0; extra < demand.extra && reply.grants.size() < limits::kMaxBatch; ++extra) {
      if (!local_.has_room(session.id)) return price;
      const auto loan = allocator_.lend_extra(demand, price, now);
      if (!loan) break;
      Grant granted = grant(session, demand, *loan, LeaseUse::kUnused, now);
      granted.extra_of = static_cast<uint32_t>(i + 1);
      reply.grants.push_back(granted);
    }
  }
  return price;
}

void Service::failed(const Asker& asker, const std::vector<Demand>& demands, Errno error) {
  const Session& session = sessions_.at(asker.client);
  counts_.failed += demands.size();
  FailureReply failure = failure_of(error, demands);
  if (options_.on_shortage && (!options_.wants_shortage || options_.wants_shortage(session.peer))) {
    options_.on_shortage(shortage_of(session, demands, failure.message));
  }
  session.port->reply(asker.request, std::move(failure));
}

void Service::on_idle(BoId bo) {
  const Time now = clock_.now();
  if (options_.observer != nullptr) options_.observer->idle(bo);
  pool_.on_idle(bo, now);
  requests_.wake(now);
}

void Service::on_created(BoId bo, const Result<DeviceBo>& result) {
  const Time now = clock_.now();
  if (!allocator_.restocked(bo, result, now)) requests_.on_created(bo, result, now);
  requests_.wake(now);
}

void Service::on_destroyed(uint64_t bytes) {
  const Time now = clock_.now();
  pool_.on_destroyed(bytes, now);
  requests_.wake(now);
}

void Service::on_pressure(Pressure pressure) {
  const Time now = clock_.now();
  const bool full = pressure == Pressure::kFull;
  pool_.shrink_to(full ? 0 : pool_.ready().bytes / 2, now);
  local_.take({.bytes = full ? kEverything : (local_.unused().bytes + 1) / 2}, now);
  pool_.check_stock(now);
  telling_->tell_all(pressure, now);
  requests_.wake(now);
}

std::optional<Time> Service::next_deadline() const {
  return earlier(earlier(pool_.next_deadline(), local_.next_deadline()), requests_.next_deadline());
}

void Service::tick() {
  const Time now = clock_.now();
  // Before the pool, which then need not look at the board's memory again.
  local_.tick(now);
  pool_.tick(now);
  requests_.wake(now);
  requests_.tick(now);
  allocator_.restock(local_.unused().bytes, now);
}

AdminReply Service::handle_admin(const AdminRequest& message) {
  if (std::holds_alternative<StatsRequest>(message)) return stats();
  if (const auto* evict_request = std::get_if<EvictRequest>(&message)) {
    const EvictedReply evicted = evict(*evict_request);
    requests_.wake(clock_.now());
    return evicted;
  }
  if (std::holds_alternative<LabelsRequest>(message)) return labels();
  ClientsReply reply;
  for (const auto& [id, session] : sessions_) reply.clients.push_back(row(session));
  std::sort(reply.clients.begin(), reply.clients.end(),
            [](const ClientRow& a, const ClientRow& b) { return a.id < b.id; });
  return reply;
}

// Unused leases are asked back with the last piece.
EvictedReply Service::evict(const EvictRequest& what) {
  const Time now = clock_.now();
  const auto* user = std::get_if<EvictUid>(&what);
  const auto* some = std::get_if<EvictBytes>(&what);
  const uint64_t bytes = some != nullptr ? some->bytes : kEverything;
  const auto [evicted, more] = user != nullptr ? pool_.evict_user(UserId{user->uid}, kEvictPiece, now)
                                               : pool_.evict_bytes(bytes, kEvictPiece, now);
  EvictedReply reply{.evicted = evicted, .asked_back = {}, .more = more};
  if (more) return reply;
  const auto account = user != nullptr ? user_account(user->uid) : nullptr;
  const uint64_t rest = some != nullptr ? bytes - std::min(bytes, evicted.bytes) : kEverything;
  reply.asked_back = local_.take({.account = account.get(), .bytes = rest}, now);
  return reply;
}

}  // namespace panbo
