// A daemon for tests of the client: it greets, grants memfds and takes releases, and does otherwise when it is told to.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "panbo.pb.h"
#include "proto/unique_fd.h"
#include "tests/support/fake_lease_table.h"

namespace panbo::test {

/// A memfd; a dma-buf of this size to whoever does not look closely.
UniqueFd make_memfd(uint64_t size);

/// Numbers of fds that somebody else owns.
std::vector<int> borrow(const std::vector<UniqueFd>& fds);

/// What a daemon would write about an fd.
wire::Grant describe(int fd, uint64_t lease_id);

class FakeDaemon {
 public:
  /// One connection, as the daemon's thread sees it.
  class Peer {
   public:
    explicit Peer(UniqueFd socket) : socket_(std::move(socket)) {}
    [[nodiscard]] int fd() const { return socket_.get(); }
    /// `fds` are borrowed.
    void send(const wire::Envelope& envelope, const std::vector<int>& fds = {});
    void send_bytes(std::string_view bytes, const std::vector<int>& fds = {});
    void fail(uint64_t request_id, wire::FailureCode code);
    void hang_up();

   private:
    UniqueFd socket_;
  };

  /// What has come so far.
  struct Seen {
    std::vector<wire::Envelope> requests;
    std::vector<uint64_t> released;
    int connects = 0;
    int disconnects = 0;
  };

  /// Called on the daemon's thread for each request. True: it has been dealt with.
  using Script = std::function<bool(Peer&, const wire::Envelope&)>;

  /// Listens at once.
  FakeDaemon();
  ~FakeDaemon();

  [[nodiscard]] const std::string& socket_path() const { return socket_path_; }

  /// Gives a lease table to each client that connects from now on and asks for one, and up to so many extra leases with
  /// each item.
  void lend_tables(uint32_t max_extra = 0);
  /// The table of the client that connected last.
  [[nodiscard]] std::shared_ptr<FakeLeaseTable> table();

  /// From the next request on.
  void follow(Script script);

  /// What the daemon does when no script says otherwise. On the daemon's thread only.
  void serve(Peer& peer, const wire::Envelope& request);

  /// Waits until what has come satisfies the condition, for as long as is sensible for a test. False: it never did.
  bool becomes(const std::function<bool(const Seen&)>& condition);
  Seen seen();

  /// Sends to every client. Call it only when becomes() has shown that they are connected.
  void broadcast(const wire::Envelope& envelope);

  /// Dies: the socket goes, and so do all connections. What a script refers to must live until then.
  void stop();
  /// Comes back, at the same path.
  void start();

 private:
  void run();
  void welcome(wire::Welcome& welcome, bool wants_table, std::vector<int>& fds);
  void grant(const wire::Alloc& alloc, wire::Granted& granted, std::vector<UniqueFd>& fds);
  Script script();
  void accept_peer();
  void read_from(Peer& peer);
  void note(const wire::Envelope& request);

  std::string directory_;
  std::string socket_path_;
  UniqueFd listener_;
  UniqueFd stop_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Script script_;
  Seen seen_;
  uint64_t last_lease_ = 100;
  bool lends_tables_ = false;
  uint32_t max_extra_ = 0;
  std::shared_ptr<FakeLeaseTable> table_;
  std::map<int, Peer> peers_;
  std::thread thread_;
};

}  // namespace panbo::test
