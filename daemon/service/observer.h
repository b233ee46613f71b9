// Somebody who listens to what clients do, without a part in it: a recording.
#pragma once

#include <string>

#include "daemon/core/allocator.h"
#include "daemon/core/ids.h"
#include "daemon/service/messages.h"

namespace panbo {

/// Called on the service's thread, in the order in which things happen. Must not call back.
class ServiceObserver {
 public:
  virtual ~ServiceObserver() = default;

  /// A client has introduced itself.
  virtual void arrived(ClientId client, const Peer& peer, const std::string& name) = 0;
  /// It is gone, and so is all that it had.
  virtual void departed(ClientId client) = 0;
  virtual void lent(ClientId client, BoId bo, const Demand& demand) = 0;
  /// `busy`: a GPU job still uses it.
  virtual void released(ClientId client, BoId bo, bool busy) = 0;
  /// No job uses a BO any more that was busy at its release.
  virtual void idle(BoId bo) = 0;
};

}  // namespace panbo
