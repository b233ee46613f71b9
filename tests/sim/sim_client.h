// One client of the simulation: it knows what it asked for and what it has, and checks every answer on arrival.
#pragma once

#include <map>
#include <vector>

#include "daemon/service/service.h"
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
  };

  /// All must outlive the client.
  SimClient(Service& service, FakeDevice& device, Facts& facts, uint32_t uid);
  ~SimClient() override;

  void hello();
  void alloc(std::vector<AllocItem> items, Duration timeout);
  /// Releases lease number `index`; the BO is the service's afterwards.
  void release(size_t index);
  /// Names a lease that it does not have; does nothing if it has it.
  void release_wrong(LeaseId lease);

  [[nodiscard]] ClientId id() const { return id_; }
  [[nodiscard]] uint32_t uid() const { return uid_; }
  [[nodiscard]] const std::vector<Lease>& leases() const { return leases_; }
  [[nodiscard]] size_t open_requests() const { return asked_.size(); }
  [[nodiscard]] bool closed() const { return closed_; }

  void reply(RequestId request, ClientReply reply) override;
  void close() override { closed_ = true; }

 private:
  void check_grants(const std::vector<AllocItem>& items, const GrantedReply& reply);

  Service& service_;
  FakeDevice& device_;
  Facts& facts_;
  const uint32_t uid_;
  ClientId id_;
  uint64_t next_request_ = 1;
  std::map<RequestId, std::vector<AllocItem>> asked_;
  std::vector<Lease> leases_;
  bool closed_ = false;
};

}  // namespace panbo::sim
