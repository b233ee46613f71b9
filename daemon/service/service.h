// The daemon without its sockets: clients come and go, ask for BOs and give them back.
//
// Usage: the transport calls connect() for every accepted client, handle() for each of its messages in order, and
// disconnect() once at the end; the app calls on_idle() for what the device reports, and tick() when next_deadline()
// has come. Answers go out through the client's port, during the call or later.
//
// Everything runs on one thread. Nothing here blocks, but for the device's own calls.
#pragma once

#include <functional>
#include <optional>
#include <unordered_map>

#include "daemon/core/allocator.h"
#include "daemon/core/bo_pool.h"
#include "daemon/core/clock.h"
#include "daemon/core/device.h"
#include "daemon/service/messages.h"
#include "daemon/service/session.h"
#include "daemon/service/waiting_requests.h"

namespace panbo {

/// One request that ended without memory: what was asked, what there is, who holds most. For the log.
struct Shortage {
  ClientRow client;
  uint64_t asked_bytes = 0;
  /// In a sentence.
  std::string reason;
  Stats stats;
  /// At most three, the largest first.
  std::vector<ClientRow> largest_holders;
};

struct ServiceOptions {
  BoPoolOptions pool;
  /// Requests that one client may keep waiting at a time; more are refused.
  size_t max_waiting_per_client = 64;
  /// Called for every request that fails for want of memory. May be empty.
  std::function<void(const Shortage&)> on_shortage;
};

class Service {
 public:
  /// Both must outlive the service.
  Service(Device& device, const Clock& clock, ServiceOptions options);

  /// `port` must stay valid until disconnect() returns.
  ClientId connect(const Peer& peer, ClientPort& port);
  /// Gives back all that the client has.
  void disconnect(ClientId client);
  void handle(ClientId client, RequestId request, ClientRequest message);
  AdminReply handle_admin(const AdminRequest& message);

  /// The device says that this BO, which was watched, is idle.
  void on_idle(BoId bo);

  /// When tick() wants to be called next; nothing: not before something else happens.
  [[nodiscard]] std::optional<Time> next_deadline() const;
  void tick();

 private:
  using Loans = std::vector<Loan>;
  enum class Ladder { kWhole, kReadyOnly };

  void on_request(Session& session, RequestId request, const HelloRequest& hello);
  void on_request(Session& session, RequestId request, AllocRequest& alloc);
  void on_request(Session& session, RequestId request, const ReleaseRequest& release);
  Result<std::vector<Demand>> demands_of(const Session& session, const AllocRequest& alloc) const;
  Result<Loans> allocate(const std::vector<Demand>& demands, Ladder ladder);
  void grant(Session& session, RequestId request, const Loans& loans, std::optional<Origin> origin);
  void serve_waiting();
  void serve_waiting(Ladder ladder);
  void fail(Session& session, RequestId request, const std::vector<Demand>& demands, FailureReply failure);
  [[nodiscard]] Stats stats() const;
  Amount evict(const EvictRequest& what);

  Device& device_;
  const Clock& clock_;
  const ServiceOptions options_;
  BoPool pool_;
  Allocator allocator_;
  std::unordered_map<ClientId, Session> sessions_;
  WaitingRequests waiting_;
  /// BoPool::supplies() when the waiting requests were last tried.
  uint64_t supplies_seen_ = 0;
  uint64_t next_client_ = 1;
  uint64_t next_lease_ = 1;
  /// Only the counts of requests; the amounts are the pool's.
  Stats counts_;
};

}  // namespace panbo
