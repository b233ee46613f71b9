// The client's end of the socket: any number of threads ask at once, each gets its own answer.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <span>
#include <vector>

#include "client/lib/codec.h"
#include "client/lib/poll_until.h"
#include "proto/packet.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo {

struct Answer {
  /// In the buffer that was passed to call().
  std::span<const std::byte> packet;
  ReceivedFds fds;
  /// Some of the packet's fds could not be installed: this process is at its fd limit.
  bool fds_lost = false;
};

/// Thread-safe, except for construction and destruction.
class Connection {
 public:
  /// `socket` is connected and blocking.
  explicit Connection(UniqueFd socket) : socket_(std::move(socket)) {}

  /// Borrowed.
  [[nodiscard]] int fd() const { return socket_.get(); }

  /// Never 0.
  [[nodiscard]] uint64_t next_request_id() { return ++last_request_id_; }

  /// Sends a request and waits for its answer, which is written to `buffer`. The request must not be in there: a daemon
  /// may answer before it was asked.
  /// Errors: ENOTCONN the daemon is gone; ETIMEDOUT no answer before the deadline; those of sendmsg(2).
  Result<Answer> call(uint64_t request_id, std::span<const std::byte> request, codec::PacketBuffer& buffer,
                      Deadline deadline = std::nullopt);

  /// Sends what has no answer. Errors: as above.
  Result<void> send(std::span<const std::byte> packet, int flags = 0);

  /// Handles what has come and, if there is nothing, the first packet that comes before the deadline. Returns how many
  /// were handled; those that another thread handles meanwhile do not count. Also comes back when the fd `or_readable`
  /// becomes readable.
  /// Errors: ENOTCONN the daemon is gone.
  Result<int> dispatch(Deadline deadline, int or_readable = kNoFd);

  /// Ends the connection for both sides: calls that wait, and later ones, fail with ENOTCONN.
  void shut_down();

  /// The daemon is gone, and some call has noticed; or it was shut down.
  [[nodiscard]] bool has_ended() const { return ended_; }

  /// False while some thread changes what this object keeps. In a forked child, where that thread does not exist, it
  /// means that the object must not be touched any more, nor destroyed.
  [[nodiscard]] bool at_rest();

 private:
  class Waiter;

  bool read_packet(std::unique_lock<std::mutex>& lock, Deadline deadline, int or_readable = kNoFd);
  Result<ReceivedPacket> receive(ReceivedFds& fds, Deadline deadline, int or_readable);
  void deliver(const ReceivedPacket& packet, ReceivedFds fds);
  void give_back(std::span<const std::byte> packet);
  void end();
  void wake_next_reader();

  const UniqueFd socket_;

  std::atomic<uint64_t> last_request_id_ = 0;

  std::mutex mutex_;
  std::vector<Waiter*> waiters_;
  /// Some thread has the role of the reader.
  bool reading_ = false;
  /// Written with the mutex held.
  std::atomic<bool> ended_ = false;

  /// Belongs to the reader.
  codec::PacketBuffer packet_;
};

}  // namespace panbo
