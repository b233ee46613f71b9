// The daemon without its sockets: clients come and go, ask for BOs and give them back.
//
// Usage: the transport calls connect() for every accepted client, handle() for each of its messages in order, and
// disconnect() once at the end; the app calls on_idle() for what the device reports, and tick() when next_deadline()
// has come. Answers go out through the client's Port, during the call or later.
//
// Everything runs on one thread. Nothing here blocks, but for the device's own calls.
#pragma once

#include <memory>
#include <optional>

#include "daemon/core/clock.h"
#include "daemon/core/device.h"
#include "daemon/service/messages.h"

namespace panbo {

/// Where a client's answers go. Implemented by the transport.
class ClientPort {
 public:
  virtual ~ClientPort() = default;

  /// Takes one answer, to be sent now or when the peer has room. Must not call back into the service. If the answer
  /// can never be delivered the transport disconnects the client, later, from its own event loop; that gives the
  /// granted leases back.
  virtual void reply(RequestId request, ClientReply reply) = 0;

  /// The client broke the protocol: send what is queued, then close. The transport calls disconnect() afterwards.
  virtual void close() = 0;
};

struct ServiceOptions {
  /// Most bytes of ready BOs.
  uint64_t cache_max = UINT64_MAX;
};

class Service {
 public:
  /// Both must outlive the service.
  Service(Device& device, const Clock& clock, ServiceOptions options);
  ~Service();

  /// `port` must stay valid until disconnect() returns.
  ClientId connect(const Peer& peer, ClientPort& port);
  void disconnect(ClientId client);
  void handle(ClientId client, RequestId request, ClientRequest message);
  AdminReply handle_admin(const AdminRequest& message);

  /// The device says that this BO, which was watched, is idle.
  void on_idle(BoId bo);

  /// When tick() wants to be called next; nothing: not before something else happens.
  [[nodiscard]] std::optional<Time> next_deadline() const;
  void tick();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace panbo
