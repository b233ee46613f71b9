// The daemon without its sockets: clients come and go, ask for BOs and give them back.
//
// Usage: the transport calls connect() for every accepted client, handle() for each of its messages in order, and
// disconnect() once at the end; the app calls on_idle() for what the device reports, and tick() when next_deadline()
// has come. Answers go out through the client's port, during the call or later.
//
// Everything runs on one thread. Nothing here blocks, but for the device's own calls, and nothing takes long: what a
// client can make long (a request for many BOs, a release of many, its departure) is cut into pieces, which are done in
// the turns of its user (turns.h). The caller of handle() keeps the order of a client's messages: it calls work_off()
// while has_backlog() is true before it hands over the next one.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>

#include "daemon/core/allocator.h"
#include "daemon/core/bo_pool.h"
#include "daemon/core/clock.h"
#include "daemon/core/device.h"
#include "daemon/core/turns.h"
#include "daemon/service/alloc_requests.h"
#include "daemon/service/local_cache.h"
#include "daemon/service/messages.h"
#include "daemon/service/observer.h"
#include "daemon/service/session.h"

namespace panbo {

/// One request that ended without memory: what was asked, what there is, who holds most. For the log.
struct Shortage {
  ClientRow client;
  /// The BOs' sizes' sum.
  uint64_t asked_bytes = 0;
  /// What the board has left, in bytes; UINT64_MAX if nobody can tell.
  uint64_t available_bytes = 0;
  /// In a sentence.
  std::string reason;
  Stats stats;
  /// At most three, the largest first.
  std::vector<ClientRow> largest_holders;
};

struct ServiceOptions {
  BoPoolOptions pool;
  BoardRoomOptions room;
  AllocatorOptions allocator;
  LocalOptions local;
  /// What one client, all clients of one user, and all clients together may have at a time.
  Cost client_quota{.bytes = UINT64_MAX, .addresses = UINT64_MAX, .bos = UINT64_MAX, .requests = 64, .fds = 128};
  Cost user_quota{.bytes = UINT64_MAX, .addresses = UINT64_MAX, .bos = UINT64_MAX, .requests = 256, .fds = 1024};
  Cost board_quota = kNoLimit;
  /// How much of the board's quota is kept for users who have little (budget.h).
  Cost board_last_share;
  /// Called for every request that fails for want of memory. May be empty.
  std::function<void(const Shortage&)> on_shortage;
  /// Whether on_shortage is to be called at all for the next one, since it costs something to say what there is. May be
  /// empty: always.
  std::function<bool(const Peer&)> wants_shortage;
  /// Called once for a client that keeps what was taken from it, and how much that is. May be empty.
  std::function<void(const ClientRow&, const Amount&)> on_overdue;
  /// May be null; otherwise it outlives the service.
  ServiceObserver* observer = nullptr;
};

class Service : private AllocListener {
 public:
  /// All must outlive the service. `worker` may be null: then every device call is made on the caller's thread.
  Service(Device& device, DeviceWorker* worker, const MemoryGauge& memory, const Clock& clock, ServiceOptions options);
  ~Service() override;

  /// `port` must stay valid until disconnect() returns.
  ClientId connect(const Peer& peer, ClientPort& port);
  /// The client is gone. All that it has is given back, in pieces, in its user's turns.
  void disconnect(ClientId client);
  /// Handles a message, and returns its price.
  Price handle(ClientId client, RequestId request, ClientRequest message);
  /// Whether something is left to do of the client's messages, which comes before its next one.
  [[nodiscard]] bool has_backlog(ClientId client) const;
  /// Whether what the client asked for is being found right now, in its user's turns. The caller of handle() waits for
  /// that as well, so that what a client has asked for and not been sent stays small.
  [[nodiscard]] bool is_busy(ClientId client) const { return requests_.is_busy(client); }
  /// Does a piece of that.
  Turns::Work::Piece work_off(ClientId client);
  /// Answers an administrator. Eviction is done in pieces: EvictedReply::more tells whether to ask again.
  AdminReply handle_admin(const AdminRequest& message);

  /// The client's account, for what the transport charges to it: fds in flight. It may outlive the client.
  [[nodiscard]] std::shared_ptr<Account> account(ClientId client) const;

  /// Where all that is long waits for its turn. The loop runs it; the transport queues its connections there.
  [[nodiscard]] Turns& turns() { return turns_; }
  /// Gives one user its turn.
  void run_turn() { turns_.run_turn(clock_.now()); }

  /// The device says that this BO, which was watched, is idle.
  void on_idle(BoId bo);

  /// The device worker's answer to DeviceWorker::create().
  void on_created(BoId bo, const Result<DeviceBo>& result);

  /// The device worker has destroyed BOs that counted as so many bytes of memory.
  void on_destroyed(uint64_t bytes);

  /// The board is short of memory: half of the cache goes, or all of it, that of the clients included, and they are
  /// told.
  void on_pressure(Pressure pressure);

  /// When tick() wants to be called next; nothing: not before something else happens.
  [[nodiscard]] std::optional<Time> next_deadline() const;
  void tick();

 private:
  class Departure;
  class Telling;

  Price on_request(Session& session, RequestId request, const HelloRequest& hello);
  Price on_request(Session& session, RequestId request, AllocRequest& alloc);
  Price on_request(Session& session, RequestId request, const ReleaseRequest& release);
  Price on_request(Session& session, RequestId request, const LeasesUnusedRequest&);
  Result<std::vector<Demand>> demands_of(const Session& session, AllocRequest& alloc) const;
  Price granted(const Asker& asker, const std::vector<Demand>& demands, const std::vector<Loan>& loans,
                bool waited) override;
  Grant grant(Session& session, const Demand& demand, const Loan& loan, LeaseUse use, Time now);
  Price add_extras(Session& session, const std::vector<Demand>& demands, GrantedReply& reply, Time now);
  Price work_off(Session& session, Time now);
  void take_back(ClientId client, const EndedLease& ended, Time now);
  [[nodiscard]] ClientRow row(const Session& session) const;
  void failed(const Asker& asker, const std::vector<Demand>& demands, Errno error) override;
  [[nodiscard]] FailureReply failure_of(Errno error, const std::vector<Demand>& demands) const;
  [[nodiscard]] Shortage shortage_of(const Session& session, const std::vector<Demand>& demands,
                                     const std::string& reason) const;
  [[nodiscard]] std::shared_ptr<Account> user_account(uint32_t uid);
  [[nodiscard]] Stats stats() const;
  LabelsReply labels();
  EvictedReply evict(const EvictRequest& what);

  Device& device_;
  const MemoryGauge& memory_;
  const Clock& clock_;
  const ServiceOptions options_;
  /// Before whatever queues work in it.
  Turns turns_;
  BoPool pool_;
  BoardRoom room_;
  Allocator allocator_;
  LocalCache local_;
  AllocRequests requests_;
  std::unordered_map<ClientId, Session> sessions_;
  const std::shared_ptr<Account> board_;
  /// By uid. An account lives as long as something is charged to it.
  std::unordered_map<uint32_t, std::weak_ptr<Account>> users_;
  /// Clients that are gone and whose leases are being given back.
  std::unordered_map<ClientId, std::unique_ptr<Departure>> departures_;
  /// Tells the clients of pressure, one after the other.
  const std::unique_ptr<Telling> telling_;
  uint64_t next_client_ = 1;
  uint64_t next_lease_ = 1;
  /// Only the counts of requests; the amounts are the pool's.
  Stats counts_;
};

}  // namespace panbo
