// Every BO of the daemon, in the container of its state: the part of the cache that knows the whole life of a BO.
//
//   Stocked   the Stock, for whoever comes first
//   Leased    no container; the service knows the leases
//   Draining  the device watches it and reports when it is idle
//   Held      the HeldQueue: looked at again, ever more slowly
//   Ready     the ReadyBos, which decay while they are not used, and give way when memory is short
//
// Nothing here takes longer the more BOs there are. What concerns many of them is done in pieces: a function that
// evicts says whether there is more to evict, and what the pool has to do by itself is done piece by piece in tick().
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "daemon/core/bo_store.h"
#include "daemon/core/clock.h"
#include "daemon/core/device.h"
#include "daemon/core/device_worker.h"
#include "daemon/core/held_queue.h"
#include "daemon/core/memory_gauge.h"
#include "daemon/core/ready_bos.h"
#include "daemon/core/stats.h"
#include "daemon/core/stock.h"
#include "daemon/core/turns.h"

namespace panbo {

struct BoPoolOptions {
  /// Most bytes of Ready BOs.
  uint64_t cache_max = UINT64_MAX;
  /// Ready BOs take at most this share of the memory that the board has left; 0 means no such limit. It is looked at
  /// when a BO enters the cache, at most once in headroom_pause, and every headroom_interval while there is any.
  double headroom_share = 0.25;
  Duration headroom_pause = std::chrono::milliseconds(20);
  Duration headroom_interval = std::chrono::milliseconds(250);
  /// How long it takes an unused cache to go from full to nothing. Large BOs go earlier (lifetime.h).
  Duration decay_time = std::chrono::seconds(10);
  /// A BO that somebody else still holds is looked at again after a sixteenth of the time that it has been held, but
  /// not before the shortest pause and, give or take a half, not after the longest.
  Duration held_shortest_pause = std::chrono::milliseconds(1);
  Duration held_longest_pause = std::chrono::minutes(1);
  /// Most Held BOs, each of which costs an fd. Beyond that the user who holds most loses the one held longest.
  uint64_t held_max = UINT64_MAX;
  /// What to have in stock.
  std::vector<StockItem> stock = {};
};

/// BOs that are evicted in one go, so that the others need not wait long.
inline constexpr size_t kEvictPiece = 64;

/// What one call has evicted.
struct Evicted {
  Amount amount;
  /// That is not all that it was asked for, and there is more that could go.
  bool more = false;
};

class BoPool {
 public:
  /// All must outlive the pool, which destroys every BO when it dies. `worker` destroys what the pool retires before;
  /// if it is null, every call is made here.
  BoPool(Device& device, DeviceWorker* worker, const MemoryGauge& memory, BoPoolOptions options);
  ~BoPool();
  BoPool(const BoPool&) = delete;
  BoPool& operator=(const BoPool&) = delete;

  /// Ready → Leased: a BO of exactly that key, its pages in place, or nullptr; only if there is one `borrower` is
  /// moved from. Purged ones found on the way are retired; after 16 of them it looks no further.
  [[nodiscard]] Bo* lend_ready(const BoKey& key, Borrower& borrower, Time now);

  /// A record for a BO that the kernel is about to make; followed by lend_created() or create_failed().
  [[nodiscard]] Bo& begin_create(const BoKey& key, Borrower borrower, Time now);
  void lend_created(Bo& bo, const DeviceBo& device, Time now);
  void create_failed(Bo& bo, Time now);

  /// Stocked → Leased: a plain BO of that size, zero pages in place, or nullptr; only if there is one `borrower` is
  /// moved from. Where the kernel took one it is retired, and the stock is checked.
  [[nodiscard]] Bo* lend_stocked(const BoKey& key, Borrower& borrower, Time now);
  /// A record for the BO that the stock is missing, which the kernel is about to make; followed by stock_created().
  [[nodiscard]] Bo& begin_stock(Time now);
  void stock_created(Bo& bo, const Result<DeviceBo>& result, Time now);
  /// Something else comes before the stock; or there is no memory for it now.
  void postpone_stock(Time now) { stock_.postpone(now); }
  void stock_refused(Time now) { stock_.failed(now); }
  /// Retires what the kernel took of the stock: a piece of it at once, the rest with tick().
  void check_stock(Time now);
  [[nodiscard]] const Stock& stock() const { return stock_; }
  /// Whether a BO of that size can be made in advance without taking the board's headroom. `local`: bytes that clients
  /// keep unused.
  [[nodiscard]] bool leaves_headroom(uint64_t size, uint64_t local) const;

  /// Leased → Draining, and on from there as far as it goes at once, to Ready or its end. The BO may be gone
  /// afterwards.
  void release(Bo& bo, Time now, const LeaseEnd& end = {});

  /// Leased → Ready: the client never got it, so nobody can use or hold it. The BO may be gone afterwards.
  void take_back_unsent(Bo& bo, Time now);

  /// The device reports that a watched BO is idle.
  void on_idle(BoId id, Time now);

  // Each of these evicts Ready BOs, at most `max_bos`. The user with the most Ready bytes gives way first, and of one
  // user's BOs the least recently used. Where Ready ones are not enough, the stock follows.
  Evicted evict_all(size_t max_bos, Time now) { return evict_bytes(UINT64_MAX, max_bos, now); }
  /// At least `bytes`, if there are as many.
  Evicted evict_bytes(uint64_t bytes, size_t max_bos, Time now);
  /// Ready ones of that user only, and nothing of the stock.
  Evicted evict_user(UserId user, size_t max_bos, Time now);

  /// Evicts until so many bytes are Ready: a piece at once, the rest with tick(). If it is 0 the stock goes as well.
  void shrink_to(uint64_t ready_bytes, Time now);

  [[nodiscard]] Bo* find(BoId id) { return store_.find(id); }
  [[nodiscard]] const Amount& amount(BoState state) const { return store_.amount(state); }
  [[nodiscard]] const Amount& ready() const { return store_.amount(BoState::kReady); }
  /// Bytes that evict_all() would give back.
  [[nodiscard]] uint64_t spare() const { return ready().bytes + store_.amount(BoState::kStocked).bytes; }
  /// In all states.
  [[nodiscard]] Amount total() const { return store_.total(); }
  /// Bytes of memory that the BOs in all states count as.
  [[nodiscard]] uint64_t memory() const { return store_.memory(); }

  /// Evicts until Ready BOs and `local` bytes, which clients keep unused, are together within their share of the
  /// board's memory: a piece at once, the rest with tick(). Returns how many bytes are too many even then.
  uint64_t keep_headroom(uint64_t local, Time now);

  /// For a request that lacks `need_bytes` of memory: looks at Held BOs that somebody may have let go of meanwhile, the
  /// asker's own first, then those of the users who hold most. It ends once so many bytes have left Held, or after 32
  /// looks. Returns true if the bytes were not found and there are more that are worth a look (HeldQueue::take_for()).
  bool look_at_held(UserId asker, uint64_t need_bytes, Time now);

  /// Evicted since the start, and found purged since the start.
  [[nodiscard]] const Amount& evicted() const { return evicted_; }
  [[nodiscard]] const Amount& purged() const { return purged_; }

  /// Bytes of memory that the worker has still to destroy, and that are neither in total() nor free yet.
  [[nodiscard]] uint64_t coming() const { return coming_; }
  /// The worker has destroyed BOs that counted as so many bytes.
  void on_destroyed(uint64_t bytes, Time now);

  /// Grows whenever a BO became Ready or Stocked, or memory went back to the kernel: a request that could not be served
  /// may try again.
  [[nodiscard]] uint64_t supplies() const { return supplies_; }

  /// When tick() wants to be called; nothing is due before. In the past while there is more to do.
  [[nodiscard]] std::optional<Time> next_deadline() const;
  /// Does the next piece of what is due: at most 32 looks at Held BOs, and at most kEvictPiece evictions and looks at
  /// the stock. Returns what that has cost, and whether there is more to do at once.
  Turns::Work::Piece tick(Time now);

 private:
  void lose_stocked(Bo& bo, const Result<Pages>& pages, Time now);
  void look(Bo& bo, Time unused_since, Time now);
  void hold(Bo& bo, Time now);
  void make_ready(Bo& bo, Time unused_since, Time now);
  [[nodiscard]] bool make_room(uint64_t bytes, Time now);
  void retire(Bo& bo, Time now);

  void evict(Bo& bo, Amount& total, Time now);
  void evict_ready(uint64_t bytes, size_t max_bos, Amount& total, Time now);
  void evict_stock(uint64_t bytes, size_t max_bos, Amount& total, Time now);
  void lower_goal(uint64_t ready_bytes, Time now);
  uint64_t look_at_headroom(uint64_t local, Time now);
  // Do the next piece, and tell how many BOs it was.
  size_t evict_aged(size_t max_bos, Time now);
  size_t pursue_goal(size_t max_bos, Time now);
  size_t check_stock(size_t max_bos, Time now);
  size_t look_at_due(Time now);
  [[nodiscard]] bool headroom_ticks() const;
  [[nodiscard]] std::optional<Time> next_piece() const;

  Device& device_;
  DeviceWorker* const worker_;
  const MemoryGauge& memory_;
  const BoPoolOptions options_;
  BoStore store_;
  HeldQueue held_;
  ReadyBos ready_;
  Stock stock_;
  /// When headroom was last looked at.
  Time headroom_seen_{};
  /// So many bytes of Ready BOs there are to be at most. Nothing: no more than now have to go.
  std::optional<uint64_t> goal_;
  /// The goal is not reached before the stock is gone.
  bool stock_goes_ = false;
  /// When the goal was set, or the stock was to be checked.
  Time behind_since_{};
  Amount evicted_;
  Amount purged_;
  uint64_t supplies_ = 0;
  uint64_t coming_ = 0;
};

}  // namespace panbo
