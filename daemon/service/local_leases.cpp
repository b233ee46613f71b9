// The entries lie side by side and are read one after the other, so a scan costs what the client has leased, however
// large the table is.
//
// A client at work leaves nothing unused for most of the time, and would have to send LeasesUnused after every scan
// that comes at such a moment. But its words change, since each free makes a new generation. So a table is left alone
// only when nothing is unused and nothing has changed.

#include "daemon/service/local_leases.h"

#include <algorithm>

namespace panbo {

uint32_t LocalLeases::add(BoId bo, uint64_t bytes, LeaseUse use, Time now) {
  if (!has_room()) return 0;
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<uint32_t>(index_of_slot_.size()));
    index_of_slot_.push_back(0);
  }
  const uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  index_of_slot_[slot] = static_cast<uint32_t>(entries_.size());
  const uint32_t first = use == LeaseUse::kUnused ? next_unused(0) : 0;
  table_[slot].store(first, std::memory_order_seq_cst);
  entries_.push_back({.bo = bo, .bytes = bytes, .slot = slot, .seen = first, .since = now});
  if (use == LeaseUse::kUnused) watch();
  return slot;
}

LeaseEnd LocalLeases::remove(uint32_t slot) {
  const uint32_t index = index_of_slot_[slot];
  const Entry entry = entries_[index];
  if (entry.taken) taken_.remove(entry.bytes);
  entries_[index] = entries_.back();
  index_of_slot_[entries_[index].slot] = index;
  entries_.pop_back();
  free_slots_.push_back(slot);
  return entry.end;
}

void LocalLeases::watch() {
  watched_ = true;
  table_[0].store(1, std::memory_order_seq_cst);
}

void LocalLeases::rest(Time now) {
  const bool in_use = active_ || std::any_of(entries_.begin(), entries_.end(), is_unused);
  if (!in_use) {
    watched_ = false;
    stop_watching(table_[0]);
    look(now);
  }
  active_ = false;
}

void LocalLeases::look(Time now) {
  for (Entry& entry : entries_) {
    if (entry.taken) continue;
    const uint32_t seen = look_at_lease(word(entry));
    if (seen == entry.seen) continue;
    entry.seen = seen;
    entry.since = now;
    active_ = true;
    if (!watched_ && is_unused(entry)) watch();
  }
}

void LocalLeases::append_unused(std::vector<Unused>& out) const {
  for (const Entry& entry : entries_) {
    if (is_unused(entry)) {
      out.push_back({.bo = entry.bo, .bytes = entry.bytes, .slot = entry.slot, .since = entry.since});
    }
  }
}

bool LocalLeases::take(uint32_t slot, AfterRelease after, Time now) {
  Entry& entry = entries_[index_of_slot_[slot]];
  if (entry.taken || !take_lease(word(entry), entry.seen)) return false;
  entry.taken = true;
  entry.end = {.after = after, .unused_since = entry.since};
  entry.since = now;
  taken_.add(entry.bytes);
  return true;
}

Amount LocalLeases::unused() const {
  Amount amount;
  for (const Entry& entry : entries_) {
    if (!entry.taken && lease_use(look_at_lease(word(entry))) == LeaseUse::kUnused) amount.add(entry.bytes);
  }
  return amount;
}

Amount LocalLeases::taken_after(Time time) const {
  Amount amount;
  if (taken_.count == 0) return amount;
  for (const Entry& entry : entries_) {
    if (entry.taken && entry.since > time) amount.add(entry.bytes);
  }
  return amount;
}

std::optional<Time> LocalLeases::first_taken() const {
  std::optional<Time> first;
  if (taken_.count == 0) return first;
  for (const Entry& entry : entries_) {
    if (entry.taken) first = earlier(first, entry.since);
  }
  return first;
}

}  // namespace panbo
