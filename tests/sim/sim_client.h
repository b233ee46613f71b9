// One client of the simulation: it knows what it asked for and what it has, and checks every answer on arrival.
//
// With a lease table it frees and allocates by words alone, and does late what it has to say about that, or never.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "proto/lease_table.h"
#include "tests/sim/gate.h"
#include "tests/sim/random.h"
#include "tests/sim/violation.h"
#include "tests/support/fake_device.h"

namespace panbo::sim {

/// What the simulation knows of a BO beyond what the device does.
struct BoFacts {
  /// The user whose data may be in it. 0: nobody's, it reads as zero.
  uint32_t data_of = 0;
  /// A client has a lease on it.
  bool leased = false;
  /// Who has the lease, or had it last.
  ClientId borrower;
  /// When somebody has last dropped a reference, or a job has ended.
  Time let_go_at{};
};

/// Of the device: there is no memory, or there are no addresses.
[[nodiscard]] bool says_that_nothing_is_there(Errno error);

using Facts = std::map<uint32_t, BoFacts>;

class SimClient : public ClientPort {
 public:
  struct Lease {
    LeaseId id;
    uint32_t handle;
    /// In the table; 0: none.
    uint32_t slot = 0;
    /// What the client made of its word.
    uint32_t word = 0;
  };

  /// A request that has no answer yet.
  struct Asked {
    std::vector<AllocItem> items;
    Duration timeout{};
    Time at{};
    /// A device call was made to fail meanwhile, for want of memory or addresses that were there.
    bool excused = false;
  };

  /// All must outlive the client.
  SimClient(Gate& gate, FakeDevice& device, Facts& facts, TableMemory& tables, uint32_t uid);
  ~SimClient() override;

  /// Disconnects, with all that it has. Done by its destructor at the latest.
  void leave();
  /// What it is told does not matter any more: the run is over.
  bool deaf = false;

  void hello(bool lease_table);
  void alloc(std::vector<AllocItem> items, Duration timeout);
  /// Releases all that it has, with as many messages as that takes.
  void release_all();
  /// Releases lease number `index`; the BO is the service's afterwards.
  void release(size_t index);
  /// Names a lease that it does not have and will not get.
  void release_wrong(LeaseId lease);

  // By the table alone; the service is not called. False: there is nothing to do.
  bool free_locally(Random& random);
  bool use_locally(Random& random);
  /// Writes anything anywhere in the table, from now on.
  bool scribble(Random& random);

  /// Sends LeasesUnused, if it has to.
  void say_unused();
  /// It has yet to say that something is unused.
  [[nodiscard]] bool has_to_say() const { return wake_due_ || !sent_.empty(); }
  /// How often it has freed or used something without the daemon's knowledge, or told it that it has.
  [[nodiscard]] uint64_t touches() const { return touches_; }
  /// Sends it without a reason.
  void say_unused_anyway();
  /// Gives back what was taken, if the bell has rung.
  void answer_bell();

  /// What it has to find in its table if it never wrote nonsense there.
  void check_table() const;
  /// Leases that are unused and not taken.
  [[nodiscard]] Amount unused() const;
  [[nodiscard]] bool honest() const { return honest_; }
  /// Never answers the bell.
  bool stopped = false;
  uint64_t given_back = 0;
  uint64_t used_again = 0;

  [[nodiscard]] ClientId id() const { return id_; }
  [[nodiscard]] uint32_t uid() const { return uid_; }
  [[nodiscard]] const std::vector<Lease>& leases() const { return leases_; }
  [[nodiscard]] size_t open_requests() const { return asked_.size(); }
  [[nodiscard]] const std::map<RequestId, Asked>& asked() const { return asked_; }
  /// From now on nobody is to blame if its open requests are not served.
  void excuse();
  /// Called for each request that is refused, while it is still open.
  std::function<void(const Asked&, FailureKind)> on_refused;
  /// How its last request for BOs ended; nothing while it is open.
  [[nodiscard]] const std::optional<ClientReply>& last_answer() const { return last_answer_; }
  [[nodiscard]] bool closed() const { return closed_; }

  /// Requests that were open at some time within the last `time`.
  [[nodiscard]] size_t lately_open(Duration time) const;
  /// Those of its open requests that the daemon has read.
  [[nodiscard]] size_t read_requests() const;

  void reply(RequestId request, ClientReply reply) override;
  void close() override;
  std::span<LeaseWord> make_lease_table() override;
  void ring() override { rung_ = true; }

 private:
  [[nodiscard]] bool is_unused(const Lease& lease) const;
  [[nodiscard]] Lease* some_lease(Random& random, LeaseUse use);
  void check_grants(const std::vector<AllocItem>& items, const GrantedReply& reply);

  /// The socket to the daemon: the messages are read in the turns of the client's user, one after the other.
  class Line final : public Turns::Work {
   public:
    explicit Line(SimClient& client) : client_(client) {}
    Piece do_piece(Time) override { return client_.read_next(); }

   private:
    SimClient& client_;
  };

  void say(ClientRequest message);
  Turns::Work::Piece read_next();

  Gate& gate_;
  FakeDevice& device_;
  Facts& facts_;
  TableMemory& tables_;
  const uint32_t uid_;
  ClientId id_;
  uint64_t next_request_ = 1;
  std::map<RequestId, Asked> asked_;
  std::optional<ClientReply> last_answer_;
  /// When its requests were answered.
  std::vector<Time> answered_at_;
  std::vector<Lease> leases_;
  /// Few words, so that they run out.
  std::vector<LeaseWord> own_table_;
  std::span<LeaseWord> table_;
  bool honest_ = true;
  bool wake_due_ = false;
  uint64_t touches_ = 0;
  bool rung_ = false;
  /// It said Hello; and it has broken the protocol.
  bool greeted_ = false;
  bool broken_ = false;
  bool closed_ = false;
  bool left_ = false;
  std::deque<std::pair<RequestId, ClientRequest>> sent_;
  Line line_{*this};
};

}  // namespace panbo::sim
