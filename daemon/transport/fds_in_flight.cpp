// Looking costs a syscall a connection, so nobody looks before an account is full; and then it may be the user's or the
// board's, filled by connections that were served and have been idle since, which is why all of them are looked at.
//
// A peer that is served all the time may never be seen to have read all. What tells it from one that does not read is
// that it is sent more.

#include "daemon/transport/fds_in_flight.h"

#include <algorithm>

#include "proto/packet.h"

namespace panbo {

void FdsInFlightRegistry::look_at_all() {
  const Time now = std::chrono::steady_clock::now();
  for (FdsInFlight* member : members_) {
    if (member->all_read()) continue;
    if (!member->unread_since_) member->unread_since_ = now;
    if (now - *member->unread_since_ >= unread_limit_) member->on_unread_();
  }
}

FdsInFlight::FdsInFlight(int socket, std::shared_ptr<Account> account, std::shared_ptr<FdsInFlightRegistry> registry,
                         std::function<void()> on_unread)
    : socket_(socket), account_(std::move(account)), registry_(std::move(registry)), on_unread_(std::move(on_unread)) {
  registry_->members_.push_back(this);
}

FdsInFlight::~FdsInFlight() {
  std::erase(registry_->members_, this);
}

Result<Charge> FdsInFlight::take(size_t count) {
  const Cost cost{.fds = count};
  if (account_->full_for(cost) != nullptr && all_read() && account_->full_for(cost) != nullptr) {
    registry_->look_at_all();
  }
  return Charge::take(account_, cost);
}

void FdsInFlight::add(Charge charge) {
  charges_.push_back(std::move(charge));
  unread_since_.reset();
}

bool FdsInFlight::all_read() {
  if (charges_.empty()) return true;
  const auto read = peer_has_read_all(socket_);
  if (!read || !*read) return false;
  charges_.clear();
  unread_since_.reset();
  return true;
}

}  // namespace panbo
