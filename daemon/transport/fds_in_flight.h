// How many fds are on their way to a client: sent, and not yet read.
//
// The kernel charges them to the daemon, for all of its peers together: one client that never reads could hold so many
// that nobody is sent an fd any more (docs/kernel-facts.md). So each client's account pays for its own. That a peer has
// read is learned from the kernel, when it matters, that is when an account is full; the peer need not say so, and
// cannot lie about it. Who then turns out not to have read for long stands in the way of others, and is disconnected.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "daemon/core/budget.h"
#include "daemon/core/clock.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo {

class FdsInFlight;

/// All connections with fds in flight.
class FdsInFlightRegistry {
 public:
  /// `unread_limit`: how long a peer may leave fds unread that others could use.
  explicit FdsInFlightRegistry(Duration unread_limit) : unread_limit_(unread_limit) {}
  FdsInFlightRegistry(const FdsInFlightRegistry&) = delete;
  FdsInFlightRegistry& operator=(const FdsInFlightRegistry&) = delete;

  /// Gives back the charges of every connection whose peer has read all, and finds those who do not read.
  void look_at_all();

 private:
  friend class FdsInFlight;

  /// Of a connection that is over.
  struct LeftBehind {
    UniqueFd socket;
    std::vector<Charge> charges;
  };

  void look_at_left_behind();

  const Duration unread_limit_;
  std::vector<FdsInFlight*> members_;
  /// No more than the accounts' limits of fds allow, since each has one at least.
  std::vector<LeftBehind> left_behind_;
};

/// Those of one connection.
class FdsInFlight {
 public:
  /// `socket` is borrowed and must stay open until end(). `on_unread` is called, at least once, when the peer
  /// has kept others waiting beyond the limit; it must not destroy this.
  FdsInFlight(int socket, std::shared_ptr<Account> account, std::shared_ptr<FdsInFlightRegistry> registry,
              std::function<void()> on_unread);
  ~FdsInFlight();
  FdsInFlight(const FdsInFlight&) = delete;
  FdsInFlight& operator=(const FdsInFlight&) = delete;

  /// Room for `count` more. Errors: EDQUOT too many are unread, by this peer or by this user's peers together.
  Result<Charge> take(size_t count);
  /// They were sent.
  void add(Charge charge);
  /// Whether the peer has read all, as far as anybody can tell.
  [[nodiscard]] bool all_read();
  /// The connection is over. Takes the socket over and closes it, at once or when nothing in flight is charged any
  /// more; the peer sees the end at once in any case. The last call but for the destructor.
  void end(UniqueFd socket);

 private:
  friend class FdsInFlightRegistry;
  const int socket_;
  const std::shared_ptr<Account> account_;
  const std::shared_ptr<FdsInFlightRegistry> registry_;
  const std::function<void()> on_unread_;
  /// One a packet; no more than the account's limit of fds.
  std::vector<Charge> charges_;
  /// When they were first seen unread, since the last of them was sent.
  std::optional<Time> unread_since_;
};

}  // namespace panbo
