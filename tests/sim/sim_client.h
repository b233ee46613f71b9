// One client of the simulation: it knows what it asked for and what it has, and checks every answer on arrival.
//
// With a lease table it frees and allocates by words alone, and does late what it has to say about that, or never.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "daemon/service/service.h"
#include "proto/lease_table.h"
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
};

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

  /// All must outlive the client.
  SimClient(Service& service, FakeDevice& device, Facts& facts, uint32_t uid);
  ~SimClient() override;

  void hello(bool lease_table);
  void alloc(std::vector<AllocItem> items, Duration timeout);
  /// Releases lease number `index`; the BO is the service's afterwards.
  void release(size_t index);
  /// Names a lease that it does not have; does nothing if it has it.
  void release_wrong(LeaseId lease);

  // By the table alone; the service is not called. False: there is nothing to do.
  bool free_locally(Random& random);
  bool use_locally(Random& random);
  /// Writes anything anywhere in the table, from now on.
  bool scribble(Random& random);

  /// Sends LeasesUnused, if it has to.
  void say_unused();
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
  [[nodiscard]] bool closed() const { return closed_; }

  void reply(RequestId request, ClientReply reply) override;
  void close() override { closed_ = true; }
  std::span<LeaseWord> make_lease_table() override;
  void ring() override { rung_ = true; }

 private:
  [[nodiscard]] bool is_unused(const Lease& lease) const;
  [[nodiscard]] Lease* some_lease(Random& random, LeaseUse use);
  void check_grants(const std::vector<AllocItem>& items, const GrantedReply& reply);

  Service& service_;
  FakeDevice& device_;
  Facts& facts_;
  const uint32_t uid_;
  ClientId id_;
  uint64_t next_request_ = 1;
  std::map<RequestId, std::vector<AllocItem>> asked_;
  std::vector<Lease> leases_;
  /// Few words, so that they run out.
  std::vector<LeaseWord> table_;
  bool honest_ = true;
  bool wake_due_ = false;
  bool rung_ = false;
  bool closed_ = false;
};

}  // namespace panbo::sim
