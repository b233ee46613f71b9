// Looking costs a syscall a connection, so nobody looks before an account is full; and then it may be the user's or the
// board's, filled by connections that were served and have been idle since, which is why all of them are looked at.
//
// A peer that is served all the time may never be seen to have read all. What tells it from one that does not read is
// that it is sent more.

#include "daemon/transport/fds_in_flight.h"

#include <sys/socket.h>

#include <algorithm>

#include "proto/packet.h"

namespace panbo {
namespace {

bool has_read_all(int socket) {
  const auto read = peer_has_read_all(socket);
  return read && *read;
}

}  // namespace

void FdsInFlightRegistry::look_at_left_behind() {
  std::erase_if(left_behind_, [](const LeftBehind& left) { return has_read_all(left.socket.get()); });
}

void FdsInFlightRegistry::look_at_all() {
  look_at_left_behind();
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
  if (auto charge = Charge::take(account_, cost)) return charge;
  if (all_read() && account_->full_for(cost) != nullptr) registry_->look_at_all();
  return Charge::take(account_, cost);
}

void FdsInFlight::add(Charge charge) {
  charges_.push_back(std::move(charge));
  unread_since_.reset();
}

bool FdsInFlight::all_read() {
  if (charges_.empty()) return true;
  if (!has_read_all(socket_)) return false;
  charges_.clear();
  unread_since_.reset();
  return true;
}

void FdsInFlight::end(UniqueFd socket) {
  registry_->look_at_left_behind();
  if (all_read()) return;
  ::shutdown(socket.get(), SHUT_RDWR);
  registry_->left_behind_.push_back({.socket = std::move(socket), .charges = std::move(charges_)});
  charges_.clear();
}

}  // namespace panbo
