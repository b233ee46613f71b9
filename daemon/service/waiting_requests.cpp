// A list in order of arrival; beside it a count for each client, which bounds what one client can queue, and the
// deadlines in order, so that the next one costs nothing to know.

#include "daemon/service/waiting_requests.h"

namespace panbo {

void WaitingRequests::push(WaitingRequest request) {
  ++counts_[request.client];
  deadlines_.insert(request.deadline);
  requests_.push_back(std::move(request));
}

WaitingRequests::Iterator WaitingRequests::erase(Iterator request) {
  const auto count = counts_.find(request->client);
  if (--count->second == 0) counts_.erase(count);
  deadlines_.erase(deadlines_.find(request->deadline));
  return requests_.erase(request);
}

void WaitingRequests::erase_client(ClientId client) {
  if (!counts_.contains(client)) return;
  for (auto request = begin(); request != end();) {
    request = request->client == client ? erase(request) : std::next(request);
  }
}

std::vector<WaitingRequest> WaitingRequests::take_expired(Time now) {
  std::vector<WaitingRequest> expired;
  if (empty() || *deadlines_.begin() > now) return expired;
  for (auto request = begin(); request != end();) {
    if (request->deadline > now) {
      ++request;
      continue;
    }
    expired.push_back(*request);
    request = erase(request);
  }
  return expired;
}

size_t WaitingRequests::count(ClientId client) const {
  const auto count = counts_.find(client);
  return count == counts_.end() ? 0 : count->second;
}

std::optional<Time> WaitingRequests::next_deadline() const {
  if (deadlines_.empty()) return std::nullopt;
  return *deadlines_.begin();
}

}  // namespace panbo
