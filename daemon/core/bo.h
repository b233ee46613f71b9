// The daemon's record of one BO.
#pragma once

#include <algorithm>
#include <optional>

#include "daemon/core/bo_kind.h"
#include "daemon/core/bo_state.h"
#include "daemon/core/budget.h"
#include "daemon/core/clock.h"
#include "daemon/core/device.h"
#include "daemon/core/ids.h"
#include "daemon/core/intrusive_list.h"
#include "daemon/core/label.h"
#include "proto/size_class.h"

namespace panbo {

/// What a BO must share with a request to serve it.
struct BoKey {
  DomainId domain;
  BoKind kind = BoKind::kPlain;
  /// Size class, in bytes.
  uint64_t size = 0;

  /// Bytes of memory that it counts as, in budgets and quotas: its size, but a heap, which has no pages before the GPU
  /// needs them, what the kernel gives it at the first of them. What a heap grows to shows in the memory that the board
  /// has left.
  [[nodiscard]] uint64_t memory() const { return kind == BoKind::kHeap ? std::min(size, kHeapGranule) : size; }

  friend bool operator==(const BoKey&, const BoKey&) = default;
};

/// What becomes of a BO that was released, once nobody uses it.
enum class AfterRelease : uint8_t { kCache, kDestroy };

/// How a lease ends.
struct LeaseEnd {
  AfterRelease after = AfterRelease::kCache;
  /// Since when its client has not used it; nothing: until now it may have.
  std::optional<Time> unused_since;
};

/// Who a BO is lent to, and the charge for it.
struct Borrower {
  ClientId client;
  UserId user;
  Charge charge;
};

/// Owned by BoStore, at a fixed address until it is erased.
struct Bo {
  BoId id;
  BoKey key;
  /// Valid from Leased to Retired.
  DeviceBo device;
  BoState state = BoState::kCreating;
  AfterRelease after_release = AfterRelease::kCache;
  /// In which queue of ExpiringBos it is, while it is in one.
  uint8_t expiring_queue = 0;
  /// Whoever has it, or had it last. Draining and Held BOs are still charged to them; Ready ones to nobody.
  Borrower borrower;
  /// What they said that it is for. The kernel knows the BO by it, also while it is Ready.
  Label label;
  /// When it entered its state. Ready: since when it has not been used, as far as is known.
  Time since{};

  /// In the one container of its state.
  ListHook<Bo> in_state;
  /// Ready only: in order of use, among those of its user.
  ListHook<Bo> in_lru;
  /// Ready only, and only if it goes before the decay takes it: in the queue of its lifetime.
  ListHook<Bo> in_expiring;
};

}  // namespace panbo

template <>
struct std::hash<panbo::BoKey> {
  size_t operator()(const panbo::BoKey& key) const noexcept {
    // Sizes are multiples of 4096, so the low bits are free for the rest; the multiplication spreads them.
    const uint64_t mixed = key.size ^ static_cast<uint64_t>(key.kind) ^ (uint64_t{key.domain.value} << 32);
    return static_cast<size_t>((mixed * 0x9e3779b97f4a7c15u) >> 16);
  }
};
