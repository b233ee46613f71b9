// One request for BOs that is under way, and how far it has come.
//
//   Admitting ──► Lending ──► MakingRoom ──► Creating ──► AtWorker ──► granted
//       │                          │            ▲ │           │
//       │                          │            │ └───────────┤ the kernel has no memory, and not everything
//       │                          │            │             ▼ ready was given back yet
//       │                          │            └─────── EvictingAll
//       │                          │              any other failure
//       └──────────────────────────┴────────► GivingBack ──► LookingAtHeld ──► Waiting ──► failed
//                                                                  │              │
//       ▲                                                          │              │ what it needs may be there
//       └──────────────────────────────────────────────────────────┴──────────────┘
//
// Each phase is done in pieces, in the turns of the user who asks. A request is granted whole or not at all, and what it
// needs is charged and promised to it as a whole before anything is lent or made.
#pragma once

#include <optional>
#include <vector>

#include "daemon/core/allocator.h"
#include "daemon/core/board_room.h"
#include "daemon/core/clock.h"
#include "daemon/core/ids.h"
#include "daemon/core/turns.h"

namespace panbo {

class AllocRequests;

/// Who asks.
struct Asker {
  ClientId client;
  RequestId request;
};

struct OpenRequest final : Turns::Work {
  enum class Phase : uint8_t {
    /// Its quota is charged, and its memory promised to it, or it is refused.
    kAdmitting,
    /// Takes what is ready or in stock.
    kLending,
    /// Evicts what stands in the way of the rest.
    kMakingRoom,
    /// Has the rest made.
    kCreating,
    /// The device worker is at some of it.
    kAtWorker,
    /// Evicts everything ready, since the kernel has no memory.
    kEvictingAll,
    /// It cannot be served now: gives back what it got.
    kGivingBack,
    /// Looks whether BOs that somebody held are free by now.
    kLookingAtHeld,
    /// For quota, memory or addresses.
    kWaiting,
  };

  OpenRequest(AllocRequests& requests, const Asker& who, std::vector<Demand> what)
      : owner(requests), asker(who), demands(std::move(what)) {}
  Piece do_piece(Time now) override;

  [[nodiscard]] UserId user() const { return demands.front().user; }
  [[nodiscard]] const std::shared_ptr<Account>& account() const { return demands.front().account; }
  /// When it is over. It waits, so it has a deadline or a grace.
  [[nodiscard]] Time end() const { return std::max(deadline.value_or(Time::min()), grace.value_or(Time::min())); }

  AllocRequests& owner;
  const Asker asker;
  const std::vector<Demand> demands;
  /// What all of the demands cost.
  Cost cost;
  /// The order in which requests came.
  uint64_t arrival = 0;
  /// std::nullopt: the caller does not wait.
  std::optional<Time> deadline;
  /// Until then it waits for what was asked back, whatever its caller says. std::nullopt: nothing was asked back.
  std::optional<Time> grace;

  Phase phase = Phase::kAdmitting;
  /// Its client is gone: nobody hears how it ends.
  bool cancelled = false;
  /// It has been in Waiting.
  bool has_waited = false;

  /// Its place among its account's open requests: it has one once the worker makes something for it, or it waits.
  Charge place;
  bool has_place = false;

  // As far as this attempt has come.
  /// For all that is not lent yet.
  Charge quota;
  Reservation memory;
  /// One for each demand.
  std::vector<Loan> loans;
  /// The demand that comes next in its phase.
  size_t next = 0;
  /// How many of the loans are pending.
  size_t pending = 0;
  /// Something was evicted for it, so the worker, which gives that back first, makes the rest.
  bool by_worker = false;
  /// BoPool::supplies() when it last looked for a ready BO before evicting all.
  uint64_t supplies_lent_from = 0;
  bool evicted_all = false;
  /// It has its quota and its memory.
  bool admitted = false;
  bool looked_at_held = false;
  /// How many BOs it may still look at.
  uint64_t looks_left = 0;

  // Why it was not served last time.
  Errno error{};
  /// It was the kernel that refused it, although there seemed to be room. Then it is tried again ever more seldom.
  bool refused_by_kernel = false;
  uint32_t refusals = 0;
  Time refused_at{};
  /// What there was then: the pool's supplies, and what the board had left in bytes.
  uint64_t supplies_at_refusal = 0;
  uint64_t room_at_refusal = 0;
  /// The scan of the clients' tables that it waits for before it asks for unused leases again; 0: for none.
  uint64_t scan_awaited = 0;
  /// The last scan after which it has asked.
  uint64_t scans_seen = 0;
};

}  // namespace panbo
