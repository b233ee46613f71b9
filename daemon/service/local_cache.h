// The unused leases of all clients: memory that is lent, and that the daemon can take back without asking.
//
//   a client frees ──► unused ──► taken ──► the client's Release
//                        │  ▲
//                        └──┘ it allocates again, and the daemon has no part in it
//
// A lease is taken when it has been unused for the decay time, or when its memory is wanted. Until the client gives it
// back it is leased to the client like any other, so one that never does harms nobody but itself.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "daemon/core/bo_pool.h"
#include "daemon/core/budget.h"
#include "daemon/core/clock.h"
#include "daemon/core/ids.h"
#include "daemon/core/stats.h"
#include "daemon/service/local_leases.h"
#include "daemon/service/session.h"

namespace panbo {

struct LocalOptions {
  /// How long a lease may be unused before it is taken. 0: there is no local cache.
  Duration decay = std::chrono::seconds(1);
  /// The tables are looked at this often while something is unused, or four times in the decay time if that is more
  /// often.
  Duration interval = std::chrono::milliseconds(250);
  /// How long the memory of a lease that was taken is counted on.
  Duration grace = std::chrono::milliseconds(100);
  /// How long a client may keep what was taken before that is worth a warning.
  Duration overdue = std::chrono::seconds(10);
};

/// What has to come back before a request can be served.
struct Need {
  /// Only what is charged to this account helps; nullptr: anything does.
  const Account* account = nullptr;
  uint64_t bytes = 0;
  uint64_t bos = 0;
};

inline constexpr uint64_t kEverything = UINT64_MAX;

class LocalCache {
 public:
  /// `on_overdue` is told once of a client that keeps what was taken from it, and how much that is; it may be empty.
  /// `pool` must outlive this.
  LocalCache(BoPool& pool, LocalOptions options, std::function<void(ClientId, const Amount&)> on_overdue);

  /// Whether clients get tables at all.
  [[nodiscard]] bool enabled() const { return options_.decay > Duration::zero(); }
  [[nodiscard]] const LocalOptions& options() const { return options_; }

  /// A client has a table. `port` and `table` must stay valid until close().
  void open(ClientId client, ClientPort& port, std::shared_ptr<const Account> account, std::span<LeaseWord> table);
  /// The client is gone. All its leases were removed.
  void close(ClientId client);
  [[nodiscard]] bool has_table(ClientId client) const { return clients_.contains(client); }

  /// Whether one more lease of the client can have a word.
  [[nodiscard]] bool has_room(ClientId client) const;

  /// Gives a new lease a word. Returns its slot; 0 if the client has no table, or no word is free, or it is for a heap,
  /// which nobody keeps, since it costs nothing to make one and nobody knows how far it has grown.
  [[nodiscard]] uint32_t add(ClientId client, const Bo& bo, LeaseUse use, Time now);
  /// The lease ends. Returns what that means for its BO.
  LeaseEnd remove(ClientId id, uint32_t slot);

  /// The client, which has a table, says that something is unused. Costs nothing but the first time until a scan.
  void client_says_unused(ClientId client, Time now);

  // What is unused now, of all clients or of one.
  [[nodiscard]] Amount unused() const;
  [[nodiscard]] Amount unused(ClientId client) const;

  // What was taken and not given back, by all clients or by one.
  [[nodiscard]] Amount taken() const;
  [[nodiscard]] Amount taken(ClientId client) const;

  /// Takes unused leases, the longest unused first, until `need` is met or there are no more. Their BOs are destroyed
  /// when they come back. Returns what was taken.
  Amount take(const Need& need, Time now);

  /// The same for a request that could not be served, counting what is on its way already; takes nothing if that would
  /// not be enough. Returns whether it is worth waiting.
  bool ask_back(const Need& need, Time now);

  /// When tick() wants to be called; nothing is due before.
  [[nodiscard]] std::optional<Time> next_deadline() const;
  /// Returns whether the tables were looked at.
  bool tick(Time now);

 private:
  struct Client {
    ClientPort* port = nullptr;
    std::shared_ptr<const Account> account;
    LocalLeases leases;
    /// It was told of as overdue.
    bool overdue = false;
    /// Something was taken since its bell rang last.
    bool ring_due = false;
  };
  struct Candidate {
    LocalLeases::Unused lease;
    Client* client = nullptr;
  };

  [[nodiscard]] static bool counts_for(const Client& client, const Account* account);
  [[nodiscard]] std::vector<Candidate> look_at_all(const Account* account, Time now);
  Amount take(std::vector<Candidate>& candidates, const Need& need, Time now);
  void took(uint64_t count, Time now);
  void keep_headroom(Time now);
  void take_decayed(Client& client, Time now);
  void find_overdue(Time now);

  BoPool& pool_;
  const LocalOptions options_;
  const Duration interval_;
  const std::function<void(ClientId, const Amount&)> on_overdue_;
  /// By id, so that one run is like the other.
  std::map<ClientId, Client> clients_;
  /// The next scan; nothing while no table is watched.
  std::optional<Time> scan_at_;
  /// No client is overdue before; nothing if nothing was taken.
  std::optional<Time> overdue_at_;
  /// Leases that were taken and not given back.
  uint64_t outstanding_ = 0;
};

}  // namespace panbo
