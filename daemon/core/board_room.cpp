// A look at the board's memory costs a few system calls, so small requests are compared with it together. They have to
// be compared, too: in a cgroup that is full to the last page the kernel does say no to BOs, but kills the process that
// asks when it is its own bookkeeping that does not fit.
//
// While there is too little, even the smallest request is compared.

#include "daemon/core/board_room.h"

#include <algorithm>

namespace panbo {
namespace {

uint64_t minus(uint64_t a, uint64_t b) {
  return a - std::min(a, b);
}

}  // namespace

Reservation::Reservation(BoardRoom& room, uint64_t bytes) : room_(&room) {
  renew(bytes);
}

void Reservation::use(uint64_t bytes) {
  if (room_ == nullptr) return;
  bytes_ -= bytes;
  room_->promised_ -= bytes;
}

void Reservation::renew(uint64_t bytes) {
  if (room_ == nullptr) return;
  bytes_ += bytes;
  room_->promised_ += bytes;
}

BoardRoom::BoardRoom(const BoPool& pool, const DeviceWorker* worker, const MemoryGauge& memory,
                     BoardRoomOptions options)
    : pool_(pool), worker_(worker), memory_(memory), options_(options) {
}

Reservation BoardRoom::reserve(uint64_t bytes) {
  unseen_ += bytes;
  looked_ = unseen_ >= options_.look_from;
  const uint64_t available = looked_ ? memory_.available() : UINT64_MAX;
  if (looked_) seen_ = available;
  if (bytes > reachable(available)) {
    if (looked_) unseen_ = options_.look_from;
    return {};
  }
  if (looked_) unseen_ = 0;
  return {*this, bytes};
}

uint64_t BoardRoom::to_evict() const {
  return minus(promised_, left(looked_ ? memory_.available() : UINT64_MAX));
}

uint64_t BoardRoom::lacking(uint64_t bytes) const {
  return minus(bytes, reachable(memory_.available()));
}

bool BoardRoom::may_hold(uint64_t bytes, Time now) {
  if (seen_at_ == Time::min() || now - seen_at_ >= options_.stale_after) {
    seen_ = memory_.available();
    seen_at_ = now;
  }
  return bytes <= reachable(seen_);
}

uint64_t BoardRoom::budget_left() const {
  return minus(minus(options_.total_max, pool_.memory()), promised_);
}

/// What can be had if everything ready and the stock is evicted.
uint64_t BoardRoom::reachable(uint64_t available) const {
  const uint64_t left_now = left(available);
  const uint64_t spare = std::min(pool_.spare(), UINT64_MAX - left_now);
  return minus(left_now + spare, promised_);
}

/// What can be had without evicting anything, promised or not.
uint64_t BoardRoom::left(uint64_t available) const {
  return std::min(minus(options_.total_max, pool_.memory()), memory_left(available));
}

uint64_t BoardRoom::memory_left(uint64_t available) const {
  if (available == UINT64_MAX) return UINT64_MAX;
  if (worker_ == nullptr) return available;
  return minus(available + worker_->destroying(), worker_->creating());
}

}  // namespace panbo
