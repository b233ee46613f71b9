// There is no thread of our own. Of the threads that wait for answers one is the *reader*: it reads packets, hands each
// to the waiter that it is for, and stops when its own has come; then it wakes another one, which takes over. With a
// single thread that is a plain send and receive.
//
// Invariants, under the mutex:
//  - If waiters sleep, there is a reader, or one of the sleepers has been woken to become it. So every waiter that
//    leaves without leaving a reader behind wakes the next one; see ~Waiter().
//  - Only the reader reads, without the mutex; it hands over with the mutex. A waiter's answer is copied into memory
//    of the waiter's, so it needs no allocation, and a malformed body is the trouble of that waiter alone.
//
// Sending blocks while the daemon has not read enough of what was sent before. This cannot lock the two up against each
// other: a thread that blocks here has no answer outstanding of its own, and of the others, which have, one reads.
//
// An answer that nobody waits for can only be the daemon's mistake. Its leases are given back all the same.

#include "client/lib/connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

namespace panbo {
namespace {

/// One dispatch() comes to an end although packets keep coming.
constexpr int kMaxPacketsPerDispatch = 64;

}  // namespace

class Connection::Waiter {
 public:
  /// `request_id` is 0 for one that waits only to become the reader.
  Waiter(Connection& connection, uint64_t request_id, codec::PacketBuffer* buffer)
      : connection_(connection), request_id_(request_id), buffer_(buffer) {
    const std::lock_guard lock(connection_.mutex_);
    connection_.waiters_.push_back(this);
  }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() {
    const std::lock_guard lock(connection_.mutex_);
    std::erase(connection_.waiters_, this);
    if (!connection_.reading_) connection_.wake_next_reader();
  }

  // All of these with the mutex held.

  [[nodiscard]] bool waits_for(uint64_t request_id) const { return request_id_ == request_id && !answered_; }
  [[nodiscard]] bool asleep() const { return asleep_; }
  [[nodiscard]] bool answered() const { return answered_; }
  [[nodiscard]] Answer take_answer() { return std::move(answer_); }

  void answer(std::span<const std::byte> packet, ReceivedFds fds, bool fds_lost) {
    std::ranges::copy(packet, buffer_->begin());
    answer_ = {.packet = std::span(*buffer_).first(packet.size()), .fds = std::move(fds), .fds_lost = fds_lost};
    answered_ = true;
    wake();
  }

  void wake() { woken_.notify_one(); }

  /// False when the deadline has passed.
  bool sleep(std::unique_lock<std::mutex>& lock, Deadline deadline) {
    asleep_ = true;
    bool in_time = true;
    if (deadline) {
      in_time = woken_.wait_until(lock, *deadline) == std::cv_status::no_timeout;
    } else {
      woken_.wait(lock);
    }
    asleep_ = false;
    return in_time;
  }

 private:
  Connection& connection_;
  const uint64_t request_id_;
  codec::PacketBuffer* const buffer_;
  std::condition_variable woken_;
  Answer answer_;
  bool answered_ = false;
  bool asleep_ = false;
};

Result<Answer> Connection::call(uint64_t request_id, std::span<const std::byte> request, codec::PacketBuffer& buffer,
                                Deadline deadline) {
  Waiter waiter(*this, request_id, &buffer);
  // When the daemon has hung up, what it said before is still there to be read: it may be the reason.
  if (const auto sent = send(request); !sent && sent.error() != Errno{ENOTCONN}) return sent.error();

  std::unique_lock lock(mutex_);
  while (!waiter.answered()) {
    if (ended_) return Errno{ENOTCONN};
    const bool in_time = reading_ ? waiter.sleep(lock, deadline) : read_packet(lock, deadline) || ended_;
    if (!in_time && !waiter.answered()) return Errno{ETIMEDOUT};
  }
  return waiter.take_answer();
}

Result<void> Connection::send(std::span<const std::byte> packet, int flags) {
  const auto sent = send_packet(socket_.get(), packet, {}, flags);
  if (!sent && (sent.error() == Errno{EPIPE} || sent.error() == Errno{ECONNRESET})) return Errno{ENOTCONN};
  return sent;
}

Result<int> Connection::dispatch(Deadline deadline, int or_readable) {
  Waiter waiter(*this, 0, nullptr);
  std::unique_lock lock(mutex_);
  while (reading_) {
    if (!waiter.sleep(lock, deadline)) return 0;
  }
  int handled = 0;
  while (handled < kMaxPacketsPerDispatch && !ended_ && read_packet(lock, deadline, or_readable)) {
    ++handled;
    deadline = deadline_after(0);
  }
  if (handled == 0 && ended_) return Errno{ENOTCONN};
  return handled;
}

void Connection::shut_down() {
  const std::lock_guard lock(mutex_);
  end();
}

bool Connection::at_rest() {
  return std::unique_lock(mutex_, std::try_to_lock).owns_lock();
}

// With the mutex held, which is dropped while it waits. False: nothing came in time, or the connection has ended.
bool Connection::read_packet(std::unique_lock<std::mutex>& lock, Deadline deadline, int or_readable) {
  reading_ = true;
  lock.unlock();
  ReceivedFds fds;
  const auto packet = receive(fds, deadline, or_readable);
  lock.lock();
  reading_ = false;

  if (!packet && packet.error() == Errno{EAGAIN}) return false;
  // An empty packet, one that is too large and the end of the stream are all the same: there is nothing more to expect.
  if (!packet || (packet->status != PacketStatus::kComplete && packet->status != PacketStatus::kFdsLost)) {
    end();
    return false;
  }
  deliver(*packet, std::move(fds));
  return true;
}

Result<ReceivedPacket> Connection::receive(ReceivedFds& fds, Deadline deadline, int or_readable) {
  if (deadline || or_readable >= 0) {
    const auto events = poll_until(socket_.get(), POLLIN, deadline, or_readable);
    if (!events) return events.error();
    if (*events == 0) return Errno{EAGAIN};
  }
  auto packet = receive_packet(socket_.get(), packet_, fds, 0);
  // Says, once, that the daemon went without reading everything. What it sent before comes next, then the end.
  if (!packet && packet.error() == Errno{ECONNRESET}) packet = receive_packet(socket_.get(), packet_, fds, 0);
  return packet;
}

void Connection::deliver(const ReceivedPacket& packet, ReceivedFds fds) {
  const auto bytes = std::span<const std::byte>(packet_).first(packet.bytes);
  const auto id = codec::decode_request_id(bytes);
  if (!id) {
    end();
    return;
  }
  const auto waiter = std::ranges::find_if(waiters_, [&](const Waiter* w) { return *id != 0 && w->waits_for(*id); });
  if (waiter != waiters_.end()) {
    (*waiter)->answer(bytes, std::move(fds), packet.status == PacketStatus::kFdsLost);
  } else {
    fds.clear();
    give_back(bytes);
  }
}

void Connection::give_back(std::span<const std::byte> packet) {
  const auto message = codec::decode(packet);
  const auto* granted = message ? std::get_if<codec::Granted>(&message->body) : nullptr;
  if (granted == nullptr) return;
  std::array<uint64_t, limits::kMaxBatch> ids;
  std::ranges::transform(*granted, ids.begin(), &codec::Grant::lease_id);
  codec::PacketBuffer buffer;
  // The reader must not block, or nobody reads.
  if (!send(codec::encode_release(std::span(ids).first(granted->size()), false, buffer), MSG_DONTWAIT)) end();
}

// The reader finds out by itself, leaves, and so do all the others, each waking the next.
void Connection::end() {
  if (ended_) return;
  ended_ = true;
  ::shutdown(socket_.get(), SHUT_RDWR);
}

// One that is not asleep yet looks for itself, but perhaps not soon: it may be blocked in send().
void Connection::wake_next_reader() {
  const auto next = std::ranges::find_if(waiters_, [](const Waiter* w) { return w->asleep() && !w->answered(); });
  if (next != waiters_.end()) (*next)->wake();
}

}  // namespace panbo
