// The way to the daemon: the session that there is, and how to come by another one when it is over.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "client/lib/backoff.h"
#include "client/lib/session.h"

namespace panbo {

/// Thread-safe, except for construction and destruction.
class DaemonLink {
 public:
  struct Settings {
    Session::Greeting greeting;
    /// How long a daemon may take to answer a client that connects.
    std::chrono::milliseconds patience;
    /// The same where one did not at the last attempt.
    std::chrono::milliseconds patience_with_silent;
    /// The program can do without: do not wait while another thread connects, and not for long.
    bool is_optional = false;
    /// Also watch the bell.
    bool watch_bell = false;
  };

  /// `guard` must live as long. Errors: those of epoll_create1(2).
  static Result<std::unique_ptr<DaemonLink>> make(Settings settings, const ForkGuard& guard);

  DaemonLink(Settings settings, const ForkGuard& guard, UniqueFd epoll);

  /// Readable when the session's socket is, or its bell. Borrowed. Always the same.
  [[nodiscard]] int fd() const { return epoll_.get(); }

  /// nullptr: there is none. It may be over.
  [[nodiscard]] std::shared_ptr<Session> current();

  /// The session, or a new one if it is time to try. `is_new`: it is one that nobody has got yet. Errors: as for
  /// Session::open(), also those of the last attempt.
  Result<std::shared_ptr<Session>> get(bool& is_new);

  /// This one is over.
  void forget(Session& session);

  /// As Connection::at_rest().
  [[nodiscard]] bool at_rest();

 private:
  Result<std::shared_ptr<Session>> connect(bool& is_new);
  void watch(Session& session);

  const Settings settings_;
  const ForkGuard& guard_;
  const UniqueFd epoll_;

  /// Held by the one thread that connects, and longer than the other.
  std::mutex connecting_;
  Backoff backoff_;
  Errno last_error_{ENOTCONN};

  std::mutex mutex_;
  std::shared_ptr<Session> session_;
};

}  // namespace panbo
