// A look costs what the client has leased, however large the table is.
//
// A client at work leaves nothing unused for most of the time, and would have to send LeasesUnused after every scan
// that comes at such a moment. But its words change, since each free makes a new generation. So a table is left alone
// only when nothing is unused and nothing has changed.

#include "daemon/service/local_leases.h"

#include <algorithm>

namespace panbo {

LocalLeases::LocalLeases(LeaseBook& book, ClientId client, const Account& account, std::span<LeaseWord> table)
    : book_(book),
      client_(client),
      table_(table.first(std::min<size_t>(table.size(), kLeaseTableWords))),
      holder_(book.open(account)) {
}

uint32_t LocalLeases::add(uint64_t bytes, LeaseUse use, Time now) {
  if (!has_room()) return 0;
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<uint32_t>(index_of_slot_.size()));
    index_of_slot_.push_back(0);
  }
  const uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  index_of_slot_[slot] = static_cast<uint32_t>(leases_.size());
  const uint32_t first = use == LeaseUse::kUnused ? next_unused(0) : 0;
  table_[slot].store(first, std::memory_order_seq_cst);
  leases_.push_back(book_.add(*this, static_cast<uint16_t>(slot), bytes, first, now));
  if (use == LeaseUse::kUnused) watch();
  return slot;
}

LeaseEnd LocalLeases::remove(uint32_t slot) {
  const uint32_t index = index_of_slot_[slot];
  const LeaseRef ref = leases_[index];
  leases_[index] = leases_.back();
  index_of_slot_[book_[leases_[index]].slot] = index;
  leases_.pop_back();
  free_slots_.push_back(slot);
  return book_.remove(ref);
}

void LocalLeases::watch() {
  watched_ = true;
  table_[0].store(1, std::memory_order_seq_cst);
}

void LocalLeases::detach() {
  table_ = {};
  watched_ = false;
}

bool LocalLeases::wants_look() {
  if (table_.empty()) return false;
  if (!watched_) watched_ = look_at_lease(table_[0]) != 0;
  return watched_;
}

void LocalLeases::rest(Time now) {
  watched_ = false;
  stop_watching(table_[0]);
  look(now);
}

void LocalLeases::look(Time now) {
  for (const LeaseRef ref : leases_) {
    const LeaseRecord& lease = book_[ref];
    if (lease.state == LeaseState::kTaken) continue;
    const uint32_t seen = look_at_lease(table_[lease.slot]);
    if (seen == lease.seen) continue;
    book_.seen(ref, seen, now);
    active_ = true;
    if (!watched_ && lease.state == LeaseState::kUnused) watch();
  }
}

bool LocalLeases::take(LeaseRef ref, AfterRelease after, Time now) {
  const LeaseRecord& lease = book_[ref];
  if (table_.empty()) {
    book_.seen(ref, static_cast<uint32_t>(LeaseUse::kInUse), now);
    return false;
  }
  LeaseWord& word = table_[lease.slot];
  if (!take_lease(word, lease.seen)) {
    book_.seen(ref, look_at_lease(word), now);
    active_ = true;
    return false;
  }
  book_.take(ref, after, now);
  return true;
}

}  // namespace panbo
