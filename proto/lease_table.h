// The lease table: memory that a client shares with the daemon, in which a lease that is not used can be kept, taken
// again and taken back without a message.
//
// Each lease has a word. The client moves it between InUse and Unused as its program frees and allocates; the daemon
// takes back what is unused for too long, or what the board needs.
//
//             client: free, a store                    daemon: compare-and-swap
//   InUse ──────────────────────────────► Unused ──────────────────────────────► Taken
//     ▲                                      │                                     │ client: closes all that it has
//     └──────────────────────────────────────┘                                     ▼ of it, then names it in a Release
//             client: allocate, compare-and-swap                               (no lease)
//
// Between Unused and the next state there is one winner, since both sides compare and swap. Every free makes a new
// generation, so the word that the daemon saw a while ago is the word of the same stay: it never takes what was used
// in between. (A generation comes again after 2^30 frees. To be mistaken then costs the client one cached BO.)
//
// Nobody polls a table in which nothing is unused. The daemon, when it finds nothing, sets the table's first word,
// *watched*, to 0, looks once more, and sleeps; the client looks at that word after each free, and the one that finds 0
// sets it to 1 and sends LeasesUnused.
//
// Memory orders. A free releases and a successful compare-and-swap acquires, so whoever wins a lease sees all that was
// done with the BO before, from whichever thread. That would do, were it not for `watched`: the client stores the word
// and then loads `watched`, the daemon stores `watched` and then loads the word. With less than sequential consistency
// both may read what was there before, and an unused lease would lie there unseen for ever. So those four are seq_cst.
// tests/unit/proto/lease_table_test.cpp goes through all interleavings.
//
// The daemon believes none of it. A client that writes nonsense decides which of its own leases it loses, and when; the
// daemon's own records say which leases there are. The memory is sealed against shrinking, so reading it cannot fault.
#pragma once

#include <atomic>
#include <cstdint>

namespace panbo {

/// Words of a table: word 0 is `watched`, the others are leases' words. 16 KiB.
inline constexpr uint32_t kLeaseTableWords = 4096;

using LeaseWord = std::atomic<uint32_t>;
static_assert(LeaseWord::is_always_lock_free && sizeof(LeaseWord) == sizeof(uint32_t));

enum class LeaseUse : uint32_t { kInUse = 0, kUnused = 1, kTaken = 2 };

[[nodiscard]] constexpr LeaseUse lease_use(uint32_t word) {
  return static_cast<LeaseUse>(word & 3);
}

/// The word of an InUse lease's next stay in the cache.
[[nodiscard]] constexpr uint32_t next_unused(uint32_t in_use) {
  return ((in_use & ~uint32_t{3}) + 4) | static_cast<uint32_t>(LeaseUse::kUnused);
}

/// That word in another state.
[[nodiscard]] constexpr uint32_t with_use(uint32_t word, LeaseUse use) {
  return (word & ~uint32_t{3}) | static_cast<uint32_t>(use);
}

// The client's side.

/// InUse → Unused. `in_use` is what the caller knows the word to be. Returns the new word, and in `wake` whether the
/// caller has to send LeasesUnused.
[[nodiscard]] inline uint32_t free_lease(LeaseWord& lease, uint32_t in_use, LeaseWord& watched, bool& wake) {
  const uint32_t unused = next_unused(in_use);
  lease.store(unused, std::memory_order_seq_cst);
  wake = watched.load(std::memory_order_seq_cst) == 0 && watched.exchange(1, std::memory_order_seq_cst) == 0;
  return unused;
}

/// Unused → InUse. `unused` is what free_lease() returned. False: the daemon has taken it.
[[nodiscard]] inline bool use_lease(LeaseWord& lease, uint32_t unused) {
  return lease.compare_exchange_strong(unused, with_use(unused, LeaseUse::kInUse), std::memory_order_acquire,
                                       std::memory_order_relaxed);
}

// The daemon's side.

/// Unused → Taken, if the word is still the one that was seen. False: the client uses it, or has used it meanwhile.
[[nodiscard]] inline bool take_lease(LeaseWord& lease, uint32_t seen) {
  return lease_use(seen) == LeaseUse::kUnused &&
         lease.compare_exchange_strong(seen, with_use(seen, LeaseUse::kTaken), std::memory_order_acq_rel,
                                       std::memory_order_relaxed);
}

/// The word, for a decision about it.
[[nodiscard]] inline uint32_t look_at_lease(const LeaseWord& lease) {
  return lease.load(std::memory_order_seq_cst);
}

/// From now on the client says when there is something unused. The caller then looks at every lease once more.
inline void stop_watching(LeaseWord& watched) {
  watched.store(0, std::memory_order_seq_cst);
}

}  // namespace panbo
