// Every BO of the daemon, in the container of its state: the part of the cache that knows the whole life of a BO.
//
//   Stocked   the Stock, for whoever comes first
//   Leased    no container; the service knows the leases
//   Draining  the device watches it and reports when it is idle
//   Held      the held queue: looked at again, ever more slowly
//   Ready     the BoCache, which decays while it is not used, and gives way when memory is short
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "daemon/core/bo_cache.h"
#include "daemon/core/bo_store.h"
#include "daemon/core/clock.h"
#include "daemon/core/decay.h"
#include "daemon/core/device.h"
#include "daemon/core/device_worker.h"
#include "daemon/core/memory_gauge.h"
#include "daemon/core/recurrence.h"
#include "daemon/core/stats.h"
#include "daemon/core/stock.h"

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
  /// Most Held BOs, each of which costs an fd. Beyond that those that have been held longest are retired.
  uint64_t held_max = UINT64_MAX;
  /// From this size in bytes on the device's calls are slow enough to be left to the worker.
  uint64_t large_bo = uint64_t{1} << 20;
  /// What to have in stock.
  std::vector<StockItem> stock = {};
};

class BoPool {
 public:
  /// All must outlive the pool, which destroys every BO when it dies. `worker` may be null: then every call is made
  /// here.
  BoPool(Device& device, DeviceWorker* worker, const MemoryGauge& memory, BoPoolOptions options);
  ~BoPool();
  BoPool(const BoPool&) = delete;
  BoPool& operator=(const BoPool&) = delete;

  /// Ready → Leased: a BO of exactly that key, its pages in place, or nullptr; only if there is one `borrower` is
  /// moved from. Purged ones found on the way are retired.
  [[nodiscard]] Bo* lend_ready(const BoKey& key, Borrower& borrower, Time now);

  /// A record for a BO that the kernel is about to make; followed by lend_created() or create_failed().
  [[nodiscard]] Bo& begin_create(const BoKey& key, Borrower borrower, Time now);
  void lend_created(Bo& bo, const DeviceBo& device, Time now);
  void create_failed(Bo& bo, Time now);

  /// Stocked → Leased: a plain BO of that size, zero pages in place, or nullptr; only if there is one `borrower` is
  /// moved from. Where the kernel took one, all are looked at, and those that are gone are retired.
  [[nodiscard]] Bo* lend_stocked(const BoKey& key, Borrower& borrower, Time now);
  /// A record for the BO that the stock is missing, which the kernel is about to make; followed by stock_created().
  [[nodiscard]] Bo& begin_stock(Time now);
  void stock_created(Bo& bo, const Result<DeviceBo>& result, Time now);
  /// Something else comes before the stock; or there is no memory for it now.
  void postpone_stock(Time now) { stock_.postpone(now); }
  void stock_refused(Time now) { stock_.failed(now); }
  /// Retires what the kernel took of the stock.
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

  // Destroy Ready BOs, least recently used first, and tell what went. Where that is not enough, the stock follows.
  Amount evict_all(Time now);
  /// At least `bytes`, if there are as many.
  Amount evict_bytes(uint64_t bytes, Time now);
  /// Ready ones whose last user it was.
  Amount evict_user(UserId user, Time now);

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
  /// board's memory. Returns how many bytes are too many even then.
  uint64_t keep_headroom(uint64_t local, Time now);

  /// Calls f(Bo&) for every BO, in no order.
  template <class F>
  void for_each(F f) {
    store_.for_each(f);
  }

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

  /// When tick() wants to be called; nothing is due before.
  [[nodiscard]] std::optional<Time> next_deadline() const;
  void tick(Time now);

 private:
  struct ExpiresFirst {
    bool operator()(const Bo* a, const Bo* b) const {
      return a->expires != b->expires ? a->expires < b->expires : a->id < b->id;
    }
  };

  Amount evict_ready(uint64_t bytes, Time now);
  void lose_stocked(Bo& bo, const Result<Pages>& pages, Time now);
  void look(Bo& bo, Time unused_since, Time now);
  void hold(Bo& bo, Time now);
  void make_ready(Bo& bo, Time unused_since, Time now);
  void evict(Bo& bo, Amount& total, Time now);
  void retire(Bo& bo, Time now);
  void uncache(Bo& bo);
  void look_at_held(Time now);
  void evict_decayed(Time now);
  void evict_expired(Time now);
  [[nodiscard]] bool headroom_ticks() const;

  Device& device_;
  DeviceWorker* const worker_;
  const MemoryGauge& memory_;
  const BoPoolOptions options_;
  BoStore store_;
  BoCache cache_;
  Stock stock_;
  Decay decay_;
  Recurrence recurrence_;
  /// Nothing of the cache has decayed before; nothing if it is empty.
  std::optional<Time> decay_deadline_;
  /// Ready BOs with a lifetime shorter than the decay time, by its end.
  std::set<Bo*, ExpiresFirst> expiring_;
  /// When headroom was last looked at.
  Time headroom_seen_{};
  /// Held BOs, by when to look next.
  std::multimap<Time, BoId> held_;
  Amount evicted_;
  Amount purged_;
  uint64_t supplies_ = 0;
  uint64_t coming_ = 0;
};

}  // namespace panbo
