// One connected client, as the service knows it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/core/bo.h"
#include "daemon/core/budget.h"
#include "daemon/core/ids.h"
#include "daemon/core/stats.h"
#include "daemon/service/messages.h"
#include "proto/lease_table.h"

namespace panbo {

/// Where a client's answers go. Implemented by the transport.
class ClientPort {
 public:
  virtual ~ClientPort() = default;

  /// Takes one answer, to be sent now or when the peer has room. Must not call back into the service: if the answer
  /// can never be delivered the transport gives the leases back, or disconnects the client, later, from its own event
  /// loop.
  virtual void reply(RequestId request, ClientReply reply) = 0;

  /// The client broke the protocol: send what is queued, then close. The transport calls Service::disconnect()
  /// afterwards, later.
  virtual void close() = 0;

  /// Makes the client's lease table, all zero, which goes to the client with the Welcome that follows. It stays until
  /// the session ends. Called once at most. Empty: it cannot be made, and the client does without.
  virtual std::span<LeaseWord> make_lease_table() = 0;

  /// Tells the client that leases were taken. Never waits; if the client does not listen that is its loss.
  virtual void ring() = 0;
};

/// A client's right to a BO.
struct Lease {
  BoId bo;
  /// Its word in the client's lease table; 0: none.
  uint32_t slot = 0;
};

/// One that is over, and what becomes of its BO.
struct EndedLease {
  Lease lease;
  AfterRelease after = AfterRelease::kCache;
};

struct Session {
  ClientId id;
  Peer peer;
  ClientPort* port = nullptr;
  /// From Hello; empty before.
  std::string name;
  /// Hello has come.
  bool greeted = false;
  /// What it has and may have.
  std::shared_ptr<Account> account;
  std::unordered_map<LeaseId, Lease> leases;
  /// Leases that it has released, from number `backlog_done` on: their BOs are taken back in pieces.
  std::vector<EndedLease> backlog;
  size_t backlog_done = 0;
  /// What the leases sum up to.
  Amount leased;
};

}  // namespace panbo
