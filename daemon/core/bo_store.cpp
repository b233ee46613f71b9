// A slab: records never move, freed slots are used again. A BoId is its slot's index with a generation in the upper
// half that grows with every use of the slot, so that an id that outlived its BO finds nothing.

#include "daemon/core/bo_store.h"

#include <cassert>

namespace panbo {
namespace {

uint32_t slot_of(BoId id) {
  return static_cast<uint32_t>(id.value);
}

BoId next_generation(BoId id) {
  return BoId{id.value + (uint64_t{1} << 32)};
}

}  // namespace

Bo& BoStore::add(const BoKey& key, Borrower borrower, Time now) {
  if (free_.empty()) {
    const BoId id{slots_.size()};
    free_.push_back(static_cast<uint32_t>(id.value));
    slots_.emplace_back().id = id;
  }
  Bo& bo = slots_[free_.back()];
  free_.pop_back();
  bo = Bo{.id = next_generation(bo.id), .key = key, .borrower = std::move(borrower), .since = now};
  amounts_[static_cast<size_t>(BoState::kCreating)].add(key.size);
  memory_ += key.memory();
  return bo;
}

Bo* BoStore::find(BoId id) {
  if (slot_of(id) >= slots_.size()) return nullptr;
  Bo& bo = slots_[slot_of(id)];
  return bo.state != BoState::kRetired && bo.id == id ? &bo : nullptr;
}

void BoStore::move(Bo& bo, BoState to, Time now) {
  const BoState from = bo.state;
  move_to(bo.state, to);
  bo.since = now;
  amounts_[static_cast<size_t>(from)].remove(bo.key.size);
  amounts_[static_cast<size_t>(to)].add(bo.key.size);
}

void BoStore::erase(Bo& bo) {
  assert(bo.state == BoState::kRetired);
  assert(!bo.in_state.linked() && !bo.in_lru.linked() && !bo.in_expiring.linked());
  amounts_[static_cast<size_t>(BoState::kRetired)].remove(bo.key.size);
  memory_ -= bo.key.memory();
  bo.borrower.charge.reset();
  free_.push_back(slot_of(bo.id));
}

Amount BoStore::total() const {
  Amount total;
  for (const Amount& amount : amounts_) {
    total.count += amount.count;
    total.bytes += amount.bytes;
  }
  return total;
}

}  // namespace panbo
