// How many fds are on their way to a client: sent, and not yet read.
//
// The kernel charges them to the daemon, for all of its peers together: one client that never reads could hold so many
// that nobody is sent an fd any more (docs/kernel-facts.md). So each client's account pays for its own. That a peer has
// read is learned from the kernel, when it matters, that is when an account is full; the peer need not say so, and
// cannot lie about it.
//
// Who is in whose way:
//   - A client that fills its own account is in nobody's way but its own.
//   - When a user's account is full, the clients of that user are looked at. Who has left fds unread for long is
//     disconnected.
//   - When the board's is full, so are the clients of the users who have more than their part of it, and only those.
//   - A user's last fds are kept for those of its clients that have none in flight.
//   - What a connection has left unread at its end stays charged to its user until the peer reads it or is gone, and
//     the kernel tells when that is: nobody looks at it before.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/core/budget.h"
#include "daemon/core/clock.h"
#include "daemon/core/intrusive_list.h"
#include "daemon/core/turns.h"
#include "daemon/service/messages.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo {

class FdsInFlightRegistry;

/// Those of one connection.
class FdsInFlight {
 public:
  /// `socket` is borrowed and must stay open until end(). `on_unread` is called, at least once, when the peer has left
  /// fds unread for long that others need; it must not destroy this.
  FdsInFlight(int socket, ClientId client, const Peer& peer, std::shared_ptr<Account> account,
              std::shared_ptr<FdsInFlightRegistry> registry, std::function<void()> on_unread);
  ~FdsInFlight();
  FdsInFlight(const FdsInFlight&) = delete;
  FdsInFlight& operator=(const FdsInFlight&) = delete;

  /// Room for `count` more. Errors: EDQUOT too many are unread, by this peer, by this user's peers together or by all.
  /// Adds to `price` what it has cost to find that out.
  Result<Charge> take(size_t count, Price& price);
  /// So many were sent.
  void add(Charge charge, size_t count);
  /// Whether the peer has read all fds, as far as anybody can tell.
  [[nodiscard]] bool all_read();
  /// The connection of the client with this name is over. Takes the socket over and closes it, at once or when nothing
  /// in flight is charged any more; the peer sees the end at once in any case. The last call but for the destructor.
  void end(UniqueFd socket, const std::string& name);

 private:
  friend class FdsInFlightRegistry;
  void give_back();

  const int socket_;
  const ClientId client_;
  const Peer peer_;
  const std::shared_ptr<Account> account_;
  const std::shared_ptr<FdsInFlightRegistry> registry_;
  const std::function<void()> on_unread_;
  /// One a packet; no more than the account's limit of fds. It is in its user's list while there are any.
  std::vector<Charge> charges_;
  uint64_t count_ = 0;
  ListHook<FdsInFlight> hook_;
  /// When they were first seen unread, since the last of them was sent.
  std::optional<Time> unread_since_;
};

/// All connections with fds in flight, and what those have left unread that are over.
class FdsInFlightRegistry {
 public:
  /// `unread_limit`: how long a peer may leave fds unread that others could use. Throws std::system_error if there is
  /// no epoll set to be had.
  explicit FdsInFlightRegistry(Duration unread_limit);
  FdsInFlightRegistry(const FdsInFlightRegistry&) = delete;
  FdsInFlightRegistry& operator=(const FdsInFlightRegistry&) = delete;

  /// Whether there would be an fd for one more client of that user.
  [[nodiscard]] bool has_room_for_client(UserId user) const;

  /// Readable when a peer has read something of what its connection left, or is gone. Borrowed.
  [[nodiscard]] int event_fd() const { return events_.get(); }
  /// Gives back what such peers have read, a few at a time. False: there was nothing to do.
  bool take_events();

  /// Clients that are gone and have left fds unread.
  [[nodiscard]] std::vector<ClientRow> left_behind() const;

 private:
  friend class FdsInFlight;

  struct User {
    /// Connections of this user.
    size_t clients = 0;
    /// Those that have fds in flight, the longest not looked at first, and how many they are.
    IntrusiveList<FdsInFlight, &FdsInFlight::hook_> in_flight;
    size_t in_flight_count = 0;
    /// Fds that connections have left unread at their end.
    uint64_t left = 0;
    /// The user's account, which lives as long as there is a connection or something is left.
    const Account* account = nullptr;
  };
  /// Of a connection that is over.
  struct LeftBehind {
    UniqueFd socket;
    ClientRow row;
    UserId user;
    std::vector<Charge> charges;
  };

  [[nodiscard]] static uint64_t kept_for_each(const User& user);
  [[nodiscard]] static uint64_t kept_for_newcomers(const User& user);
  [[nodiscard]] bool leaves_room_for_others(const FdsInFlight& asker, size_t count) const;
  Price make_room(const FdsInFlight& asker, const Cost& cost);
  Price look_at(User& user);
  Price look_at_largest(const Account& board);
  void leave(FdsInFlight& member, UniqueFd socket, const std::string& name);
  void forget_if_empty(UserId user);

  const Duration unread_limit_;
  UniqueFd events_;
  std::map<UserId, User> users_;
  /// The next user to look at when the board's account is full.
  UserId next_user_{};
  /// By the socket's number. No more than the accounts' limits of fds allow, since each has one at least.
  std::unordered_map<int, LeftBehind> left_behind_;
};

}  // namespace panbo
