// How much memory a request can have, before anything is done for it.
//
// Three things are counted beside the BOs that are there. What the device worker is making is not in the board's memory
// yet, and is as good as gone. What it is destroying is still in the board's memory, and is as good as there, since the
// worker destroys before it creates. What a request was promised (a Reservation) and has not used yet is gone, too.
#pragma once

#include <cstdint>
#include <utility>

#include "daemon/core/bo_pool.h"
#include "daemon/core/clock.h"
#include "daemon/core/device_worker.h"
#include "daemon/core/memory_gauge.h"

namespace panbo {

class BoardRoom;

/// Memory that was promised to a request and that it has not used yet. Gives itself back.
class [[nodiscard]] Reservation {
 public:
  Reservation() = default;
  Reservation(Reservation&& other) noexcept
      : room_(std::exchange(other.room_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Reservation& operator=(Reservation&& other) noexcept {
    reset();
    room_ = std::exchange(other.room_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }
  ~Reservation() { reset(); }

  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  /// Some of it was used, or is not needed. At most what is left.
  void use(uint64_t bytes);
  /// What was used is needed once more.
  void renew(uint64_t bytes);
  void reset() { use(bytes_); }

 private:
  friend class BoardRoom;
  Reservation(BoardRoom& room, uint64_t bytes);

  BoardRoom* room_ = nullptr;
  uint64_t bytes_ = 0;
};

struct BoardRoomOptions {
  /// Most bytes that BOs in all states may count as (BoKey::memory()).
  uint64_t total_max = UINT64_MAX;
  /// Once so many bytes were asked of the kernel, together, the next are compared with the board's memory before.
  uint64_t look_from = uint64_t{1} << 20;
  /// How old a look at the board's memory may be when it is asked whether somebody who waits is to be woken.
  Duration stale_after = std::chrono::milliseconds(1);
};

class BoardRoom {
 public:
  /// All must outlive this. `worker` may be null.
  BoardRoom(const BoPool& pool, const DeviceWorker* worker, const MemoryGauge& memory, BoardRoomOptions options);

  [[nodiscard]] uint64_t total_max() const { return options_.total_max; }

  /// Promises `bytes` if there is room for them, with everything ready and the stock given back; what has to be evicted
  /// for that make_room() tells. An empty Reservation for more than 0 bytes: there is too little.
  [[nodiscard]] Reservation reserve(uint64_t bytes);

  /// Bytes that have to be evicted before everything that was promised is there.
  [[nodiscard]] uint64_t to_evict() const;

  /// Bytes that a request for `bytes` lacks, with everything ready and the stock given back. Looks at the board's
  /// memory.
  [[nodiscard]] uint64_t lacking(uint64_t bytes) const;

  /// Whether reserve() would promise `bytes`, as far as that can be told without another look at the board's memory
  /// than one in `stale_after`.
  [[nodiscard]] bool may_hold(uint64_t bytes, Time now);

  /// may_hold() looks at the board's memory the next time, however lately it has.
  void look_anew() { seen_at_ = Time::min(); }

  /// Bytes of memory that the board has left now, whatever is under way.
  [[nodiscard]] uint64_t available() const { return memory_.available(); }

  /// Bytes left in the budget for all BOs, beside what was promised.
  [[nodiscard]] uint64_t budget_left() const;

 private:
  friend class Reservation;

  [[nodiscard]] uint64_t reachable(uint64_t available) const;
  [[nodiscard]] uint64_t left(uint64_t available) const;
  [[nodiscard]] uint64_t memory_left(uint64_t available) const;

  const BoPool& pool_;
  const DeviceWorker* const worker_;
  const MemoryGauge& memory_;
  const BoardRoomOptions options_;
  /// Of all reservations.
  uint64_t promised_ = 0;
  /// Bytes asked for since the board's memory was last looked at.
  uint64_t unseen_ = 0;
  /// The last promise was made after a look at the board's memory.
  bool looked_ = false;
  /// What may_hold() saw, and when.
  uint64_t seen_ = 0;
  Time seen_at_ = Time::min();
};

}  // namespace panbo
