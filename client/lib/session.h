// One connection to a daemon, and what came with it. When the daemon goes, its session is over for good; the BOs that
// came over it stay what they are, and know it.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>

#include "client/lib/connection.h"
#include "client/lib/fork_guard.h"
#include "client/lib/mapped_table.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo {

/// Thread-safe. In a forked child only destruction is allowed, and closes the child's fds.
class Session {
 public:
  struct Greeting {
    std::string path;
    std::string name;
    /// Ask for a lease table.
    bool lease_table = false;
  };

  /// Connects and introduces the client. `guard` must live as long. Errors: those of panbo_client_connect(); ETIMEDOUT.
  static Result<std::shared_ptr<Session>> open(const Greeting& greeting, const ForkGuard& guard, Deadline deadline);

  /// For open().
  Session(UniqueFd socket, const ForkGuard& guard) : guard_(guard), connection_(std::move(socket)), table_(guard) {}
  /// Ends the connection: for the daemon, too, when a forked child has the socket open.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] Connection& connection() { return connection_; }
  [[nodiscard]] const MappedTable& table() const { return table_; }
  /// Readable when the daemon has taken leases. Borrowed; -1 without a table.
  [[nodiscard]] int bell() const { return bell_.get(); }
  /// Takes what there is to read from the bell. False: it did not ring.
  bool hear_bell();

  /// In bytes; a power of two. 0: there is no table.
  [[nodiscard]] uint64_t page_size() const { return page_size_; }

  /// The daemon is gone, or does not want us any more.
  [[nodiscard]] bool is_over() const { return over_.load() || connection_.has_ended(); }
  /// Calls that wait for an answer still get it, if it has been sent.
  void set_over() { over_ = true; }

  /// Gives leases back; `shared`: somebody else had their BOs. If it cannot be sent, the daemon is gone, and has taken
  /// them back itself.
  void release(std::span<const uint64_t> lease_ids, bool shared);
  /// Says that there are unused leases again.
  void say_unused();
  /// The daemon's last answer makes no sense, so which leases it gave is not known: it learns by the end of the
  /// connection. Returns EPROTO.
  Errno broken();

 private:
  Result<void> greet(const Greeting& greeting, Deadline deadline);
  Result<void> take_table(const codec::Welcome& welcome, Answer& answer);

  const ForkGuard& guard_;
  Connection connection_;
  MappedTable table_;
  UniqueFd bell_;
  uint64_t page_size_ = 0;
  std::atomic<bool> over_ = false;
};

/// What the daemon's failure means to a caller of panbo.h.
[[nodiscard]] Errno errno_of(codec::FailureCode code);

}  // namespace panbo
