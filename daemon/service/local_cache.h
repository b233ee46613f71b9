// The unused leases of all clients: memory that is lent, and that the daemon can take back without asking.
//
//   a client frees ──► unused ──► taken ──► the client's Release
//                        │  ▲
//                        └──┘ it allocates again, and the daemon has no part in it
//
// A lease is taken when it has been unused for the decay time, or when its memory is wanted. Until the client gives it
// back it is leased to the client like any other, so one that never does harms nobody but itself.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "daemon/core/bo_pool.h"
#include "daemon/core/budget.h"
#include "daemon/core/clock.h"
#include "daemon/core/ids.h"
#include "daemon/core/stats.h"
#include "daemon/service/lease_book.h"
#include "daemon/service/lease_goals.h"
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

/// The answer to a request that found no memory.
enum class AskBack {
  /// What clients keep unused cannot help it.
  kNothing,
  /// Not known yet: the tables are being looked at, or will be in a moment. The request asks again when scans() has
  /// reached what next_scan() is now.
  kScanning,
  /// It is going to be taken, or is on its way already.
  kComing,
};

class LocalCache {
 public:
  // What a tick does at most: looks at as many words as a table has, in so many tables, takes so many leases, and
  // passes over so many more that were taken before.
  static constexpr uint64_t kWordsInPiece = kLeaseTableWords;
  static constexpr uint64_t kTablesInPiece = 64;
  static constexpr uint64_t kLeasesInPiece = 64;
  static constexpr uint64_t kPassedInPiece = 512;

  /// `on_overdue` is told once of a client that keeps what was taken from it, and how much that is; it may be empty.
  /// `pool` must outlive this.
  LocalCache(BoPool& pool, LocalOptions options, std::function<void(ClientId, const Amount&)> on_overdue);

  /// Whether clients get tables at all.
  [[nodiscard]] bool enabled() const { return options_.decay > Duration::zero(); }
  [[nodiscard]] const LocalOptions& options() const { return options_; }

  /// A client has a table. `port` and `table` must stay valid until detach(). `account` is the client's, its parent is
  /// the user's.
  void open(ClientId client, ClientPort& port, std::shared_ptr<const Account> account, std::span<LeaseWord> table);
  /// The client is gone, and so are its port and its table. Its leases last until they are removed. Costs the same however
  /// many there are. Does nothing if it has no table.
  void detach(ClientId client);
  /// All leases of a client that was detached were removed.
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

  // What is unused, of all clients or of one, as of the last look at each table: that is at most `interval` ago, longer
  // only while a client's message that something is unused is on its way. Costs nothing.
  [[nodiscard]] Amount unused() const { return book_.everybody().unused; }
  [[nodiscard]] Amount unused(ClientId client) const;

  // What was taken and not given back, by all clients or by one. Costs nothing.
  [[nodiscard]] Amount taken() const { return book_.everybody().taken; }
  [[nodiscard]] Amount taken(ClientId client) const;

  /// Looks at all tables soon, and then takes unused leases, the longest unused first, until `need` is met or there are
  /// no more. tick() does that piece by piece. The BOs are destroyed when they come back. Returns what it is going to
  /// take as of the last look; where that is not everything, its count is an estimate.
  Amount take(const Need& need, Time now);

  /// A request could not be served, and `need` is what it lacks. Counts what is on its way already and was not promised
  /// to another; takes nothing if all together would not be enough, and of others only what the request's own user does
  /// not have. Costs the same however much there is: tick() does the work.
  AskBack ask_back(const Need& need, Time now);
  /// How many scans were completed.
  [[nodiscard]] uint64_t scans() const { return scans_; }
  /// The number of the first scan that has not begun: only that one sees all that is unused now.
  [[nodiscard]] uint64_t next_scan() const { return begun_ + 1; }

  /// How many words were looked at since the start, of all tables or of a client's.
  [[nodiscard]] uint64_t looked() const { return looked_; }
  [[nodiscard]] uint64_t looked(ClientId client) const;

  /// When tick() wants to be called; nothing is due before. It is in the past while something is unfinished.
  [[nodiscard]] std::optional<Time> next_deadline() const;
  /// Does one piece of what there is to do. Returns whether that completed a scan.
  bool tick(Time now);

 private:
  struct Client {
    Client(LeaseBook& book, ClientId id, ClientPort& p, std::shared_ptr<const Account> a, std::span<LeaseWord> table)
        : port(&p), account(std::move(a)), leases(book, id, *account, table) {}

    ClientPort* port;
    std::shared_ptr<const Account> account;
    LocalLeases leases;
    uint64_t looked = 0;
    /// It was told of as overdue.
    bool overdue = false;
  };
  /// A scan that is under way.
  struct Scan {
    Time began;
    /// The client that was passed last.
    ClientId passed;
    bool any_watched = false;
    uint64_t looked = 0;
  };

  /// What a piece may still look at.
  struct Left {
    uint64_t words = kWordsInPiece;
    uint64_t tables = kTablesInPiece;
  };

  void scan_soon(Time now);
  void rest_some(Left& left, Time now);
  bool scan_some(Left& left, Time now);
  /// Returns false if the piece has no room for the client's words.
  bool scan_client(Client& client, Left& left, Time now);
  void end_scan(Time now);
  void keep_headroom(Time now);
  void take_some(Time now);
  bool take(LeaseRef ref, AfterRelease after, Time now);
  void count_looked(Client& client, uint64_t words);
  [[nodiscard]] bool decay_is_due() const;
  void find_overdue(Time now);

  BoPool& pool_;
  const LocalOptions options_;
  const Duration interval_;
  const std::function<void(ClientId, const Amount&)> on_overdue_;
  LeaseBook book_;
  LeaseGoals goals_{book_};
  /// By id, so that one run is like the other.
  std::map<ClientId, Client> clients_;
  /// The next scan; nothing while no table is watched and nobody asks.
  std::optional<Time> scan_at_;
  /// No scan begins before, however many ask.
  Time no_scan_before_{};
  std::optional<Scan> scan_;
  /// Tables in which the last scan found nothing unused and nothing changed.
  std::vector<ClientId> resting_;
  uint64_t begun_ = 0;
  uint64_t scans_ = 0;
  uint64_t looked_ = 0;
  /// Clients whose bell is to be rung at the end of a piece.
  std::set<ClientId> rings_;
  /// Leases that were unused for the decay time when the last scan ended are being taken.
  bool decaying_ = false;
  /// When headroom was last looked at.
  std::optional<Time> headroom_seen_;
  /// The latest time that this was told.
  Time now_{};
};

}  // namespace panbo
