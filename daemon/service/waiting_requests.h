// The requests that could not be served, whose callers allow the daemon to wait: first come, first served.
#pragma once

#include <list>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "daemon/core/allocator.h"
#include "daemon/core/clock.h"
#include "daemon/core/ids.h"

namespace panbo {

struct WaitingRequest {
  ClientId client;
  RequestId request;
  std::vector<Demand> demands;
  Time deadline;
};

class WaitingRequests {
 public:
  using Iterator = std::list<WaitingRequest>::iterator;

  void push(WaitingRequest request);
  /// Returns the one after it.
  Iterator erase(Iterator request);
  void erase_client(ClientId client);
  /// Takes out those whose deadline has come, in order of arrival.
  [[nodiscard]] std::vector<WaitingRequest> take_expired(Time now);

  [[nodiscard]] bool empty() const { return requests_.empty(); }
  [[nodiscard]] Iterator begin() { return requests_.begin(); }
  [[nodiscard]] Iterator end() { return requests_.end(); }
  /// How many requests of that client wait.
  [[nodiscard]] size_t count(ClientId client) const;
  /// The earliest deadline; nothing if nobody waits.
  [[nodiscard]] std::optional<Time> next_deadline() const;

 private:
  std::list<WaitingRequest> requests_;
  std::unordered_map<ClientId, size_t> counts_;
  std::multiset<Time> deadlines_;
};

}  // namespace panbo
