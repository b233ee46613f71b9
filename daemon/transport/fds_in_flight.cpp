// Looking at a connection costs a system call, so nobody looks before an account is full. Then it may be full of what
// clients have read long since, so those are looked at who are charged to that account, a part of them at each attempt,
// the longest not looked at first.
//
// What the kernel tells is whether a peer has read everything, not whether it has read its fds. Therefore a connection
// looks before it sends something without fds: what was in flight until then and has been read is given back, and what
// is read later tells of the fds again. A client that has nothing to read but an event has no fds in flight.
//
// A peer that is served all the time may never be seen to have read all. What tells it from one that does not read is
// that it is sent more.
//
// There is no way to take back what a peer has left unread: the fds are in its own socket, and stay there until it
// reads or closes it. Its end of the connection that is over reports both, in an edge-triggered epoll set: the kernel
// wakes whoever waits to write whenever a packet is freed.

#include "daemon/transport/fds_in_flight.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include "proto/packet.h"

namespace panbo {
namespace {

// System calls that are cheaper than the device's.
constexpr Price kLook = 3;
/// Connections that one attempt looks at.
constexpr size_t kLooks = 64;
/// Users that one attempt looks for connections to look at.
constexpr size_t kUserLooks = 16;
constexpr size_t kEvents = 16;

// Drops what the peer has sent and nobody will read. The peer may have sent its own socket: that one and ours would
// keep each other for ever, and the fds in it. The kernel drops the fds, since there is no room for them; it tells who
// has sent a packet, and so an empty one from the end.
void discard_received(int socket) {
  const int on = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
  for (;;) {
    std::byte byte;
    iovec part{.iov_base = &byte, .iov_len = sizeof(byte)};
    alignas(cmsghdr) std::array<std::byte, CMSG_LEN(sizeof(ucred))> sender;
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = sender.data();
    message.msg_controllen = sender.size();
    if (::recvmsg(socket, &message, MSG_DONTWAIT) < 0 || message.msg_controllen == 0) return;
  }
}

bool has_read_all(int socket) {
  const auto read = peer_has_read_all(socket);
  return read && *read;
}

/// A lease table and its bell, and two BOs.
constexpr uint64_t kLeastForClient = 4;
/// A user who may have fewer in flight keeps none for clients to come.
constexpr uint64_t kFewFds = 512;

const Account* user_of(const Account& client) {
  return client.parent() != nullptr ? client.parent() : &client;
}

}  // namespace

FdsInFlightRegistry::FdsInFlightRegistry(Duration unread_limit)
    : unread_limit_(unread_limit), events_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!events_.valid()) throw std::system_error(errno, std::system_category(), "epoll_create1");
}

// The last quarter is shared among the user's clients.
uint64_t FdsInFlightRegistry::kept_for_each(const User& user) {
  return user.account->limits().fds / 4 / std::max<size_t>(user.clients, 1);
}

bool FdsInFlightRegistry::leaves_room_for_others(const FdsInFlight& asker, size_t count) const {
  const User& user = users_.at(UserId{asker.peer_.uid});
  const uint64_t left = user.account->limits().fds - user.account->used().fds;
  if (left < count) return false;
  // Who asks for little is served from what is left even then, so that a client that comes later is served as well.
  if (kept_for_newcomers(user) > 0 && asker.count_ + count <= left / 8) return true;
  const size_t itself = asker.charges_.empty() ? 1 : 0;
  const uint64_t others = user.clients - user.in_flight_count - itself;
  return left - count >= others * kept_for_each(user) && left - count >= kept_for_newcomers(user);
}

uint64_t FdsInFlightRegistry::kept_for_newcomers(const User& user) {
  const uint64_t limit = user.account->limits().fds;
  return limit < kFewFds ? 0 : limit / 64;
}

bool FdsInFlightRegistry::has_room_for_client(UserId id) const {
  const auto found = users_.find(id);
  if (found == users_.end() || found->second.left == 0) return true;
  const User& user = found->second;
  const uint64_t left = user.account->limits().fds - user.account->used().fds;
  const uint64_t idle = user.clients - user.in_flight_count;
  const uint64_t wanted = (idle + 1) * std::max<uint64_t>(kept_for_each(user), 1);
  return left >= wanted || (left >= kLeastForClient && kept_for_newcomers(user) >= kLeastForClient);
}

Price FdsInFlightRegistry::make_room(const FdsInFlight& asker, const Cost& cost) {
  Price price = take_events() ? kEvents * kLook : kLook;
  const Account* const full = asker.account_->full_for(cost);
  User& user = users_.at(UserId{asker.peer_.uid});
  if (full == nullptr || full == user.account) return price + look_at(user);
  // A client's own account is full of its own, and it has not read all.
  if (full == asker.account_.get()) return price;
  return price + look_at_largest(*full);
}

Price FdsInFlightRegistry::look_at(User& user) {
  const Time now = std::chrono::steady_clock::now();
  const size_t looks = std::min(kLooks, user.in_flight_count);
  for (size_t i = 0; i < looks; ++i) {
    FdsInFlight& member = *user.in_flight.front();
    // Takes it out of the list if the peer has read all.
    if (member.all_read()) continue;
    user.in_flight.remove(member);
    user.in_flight.push_back(member);
    if (!member.unread_since_) member.unread_since_ = now;
    if (now - *member.unread_since_ >= unread_limit_) member.on_unread_();
  }
  return static_cast<Price>(looks) * kLook;
}

Price FdsInFlightRegistry::look_at_largest(const Account& board) {
  const uint64_t part = board.limits().fds / users_.size();
  Price price = 0;
  for (size_t i = 0; i < std::min(kUserLooks, users_.size()); ++i) {
    auto next = users_.upper_bound(next_user_);
    if (next == users_.end()) next = users_.begin();
    next_user_ = next->first;
    ++price;
    if (next->second.account->used().fds < part) continue;
    return price + look_at(next->second);
  }
  return price;
}

void FdsInFlightRegistry::leave(FdsInFlight& member, UniqueFd socket, const std::string& name) {
  const int fd = socket.get();
  const UserId id{member.peer_.uid};
  LeftBehind left{.socket = std::move(socket),
                  .row = {.id = member.client_,
                          .name = name,
                          .peer = member.peer_,
                          .gone = true,
                          .unread_fds = std::exchange(member.count_, 0)},
                  .user = id,
                  .charges = std::exchange(member.charges_, {})};
  User& user = users_.at(id);
  user.left += left.row.unread_fds;
  user.in_flight.remove(member);
  --user.in_flight_count;
  ::shutdown(fd, SHUT_RDWR);
  discard_received(fd);
  epoll_event event{.events = EPOLLOUT | EPOLLET, .data = {.fd = fd}};
  // If the kernel has no memory for it, it is looked at no more, and its charges stay.
  ::epoll_ctl(events_.get(), EPOLL_CTL_ADD, fd, &event);
  left_behind_.emplace(fd, std::move(left));
}

bool FdsInFlightRegistry::take_events() {
  if (left_behind_.empty()) return false;
  std::array<epoll_event, kEvents> events;
  const int count = ::epoll_wait(events_.get(), events.data(), kEvents, 0);
  for (int i = 0; i < count; ++i) {
    const auto found = left_behind_.find(events[static_cast<size_t>(i)].data.fd);
    if (found == left_behind_.end() || !has_read_all(found->first)) continue;
    const UserId user = found->second.user;
    users_.at(user).left -= found->second.row.unread_fds;
    // Closing the socket takes it out of the epoll set.
    left_behind_.erase(found);
    forget_if_empty(user);
  }
  return count > 0;
}

std::vector<ClientRow> FdsInFlightRegistry::left_behind() const {
  std::vector<ClientRow> rows;
  rows.reserve(left_behind_.size());
  for (const auto& [fd, left] : left_behind_) rows.push_back(left.row);
  std::sort(rows.begin(), rows.end(), [](const ClientRow& a, const ClientRow& b) { return a.id < b.id; });
  return rows;
}

void FdsInFlightRegistry::forget_if_empty(UserId user) {
  const auto found = users_.find(user);
  if (found->second.clients == 0 && found->second.left == 0) users_.erase(found);
}

FdsInFlight::FdsInFlight(int socket, ClientId client, const Peer& peer, std::shared_ptr<Account> account,
                         std::shared_ptr<FdsInFlightRegistry> registry, std::function<void()> on_unread)
    : socket_(socket),
      client_(client),
      peer_(peer),
      account_(std::move(account)),
      registry_(std::move(registry)),
      on_unread_(std::move(on_unread)) {
  FdsInFlightRegistry::User& user = registry_->users_[UserId{peer_.uid}];
  ++user.clients;
  user.account = user_of(*account_);
}

FdsInFlight::~FdsInFlight() {
  give_back();
  const UserId user{peer_.uid};
  --registry_->users_.at(user).clients;
  registry_->forget_if_empty(user);
}

Result<Charge> FdsInFlight::take(size_t count, Price& price) {
  const Cost cost{.fds = count};
  if (registry_->leaves_room_for_others(*this, count)) {
    if (auto charge = Charge::take(account_, cost)) return charge;
  }
  price += kLook;
  const bool read = all_read();
  if (!registry_->leaves_room_for_others(*this, count) || account_->full_for(cost) != nullptr) {
    if (read || account_->full_for(cost) != account_.get()) price += registry_->make_room(*this, cost);
  }
  if (!registry_->leaves_room_for_others(*this, count)) return Errno{EDQUOT};
  return Charge::take(account_, cost);
}

void FdsInFlight::add(Charge charge, size_t count) {
  if (charges_.empty()) {
    FdsInFlightRegistry::User& user = registry_->users_.at(UserId{peer_.uid});
    user.in_flight.push_back(*this);
    ++user.in_flight_count;
  }
  charges_.push_back(std::move(charge));
  count_ += count;
  unread_since_.reset();
}

bool FdsInFlight::all_read() {
  if (charges_.empty()) return true;
  if (!has_read_all(socket_)) return false;
  give_back();
  return true;
}

void FdsInFlight::give_back() {
  if (charges_.empty()) return;
  charges_.clear();
  count_ = 0;
  unread_since_.reset();
  FdsInFlightRegistry::User& user = registry_->users_.at(UserId{peer_.uid});
  user.in_flight.remove(*this);
  --user.in_flight_count;
}

void FdsInFlight::end(UniqueFd socket, const std::string& name) {
  if (!all_read()) registry_->leave(*this, std::move(socket), name);
}

}  // namespace panbo
