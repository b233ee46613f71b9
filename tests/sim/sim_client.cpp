// The rules about a grant are checked here, at the moment the client gets it, since a moment later the client may
// itself make the BO busy or keep a reference.

#include "tests/sim/sim_client.h"

#include <utility>

#include "daemon/service/alloc_flags.h"

namespace panbo::sim {

SimClient::SimClient(Service& service, FakeDevice& device, Facts& facts, uint32_t uid)
    : service_(service), device_(device), facts_(facts), uid_(uid), id_(service.connect({.uid = uid}, *this)) {
}

SimClient::~SimClient() {
  for (const Lease& lease : leases_) facts_.at(lease.handle).leased = false;
  service_.disconnect(id_);
}

void SimClient::hello() {
  service_.handle(id_, RequestId{next_request_++}, HelloRequest{.protocol_version = 1, .name = "simulated"});
}

void SimClient::alloc(std::vector<AllocItem> items, Duration timeout) {
  const RequestId request{next_request_++};
  asked_.emplace(request, items);
  service_.handle(id_, request, AllocRequest{.items = std::move(items), .timeout = timeout});
}

void SimClient::release(size_t index) {
  const Lease lease = leases_[index];
  leases_.erase(leases_.begin() + static_cast<ptrdiff_t>(index));
  facts_.at(lease.handle).leased = false;
  service_.handle(id_, RequestId{next_request_++}, ReleaseRequest{{lease.id}});
}

void SimClient::release_wrong(LeaseId lease) {
  for (const Lease& own : leases_) {
    if (own.id == lease) return;
  }
  service_.handle(id_, RequestId{next_request_++}, ReleaseRequest{{lease}});
}

void SimClient::reply(RequestId request, ClientReply reply) {
  const auto asked = asked_.find(request);
  if (const auto* granted = std::get_if<GrantedReply>(&reply)) {
    require(asked != asked_.end(), "a grant answers a request that is open");
    check_grants(asked->second, *granted);
  }
  // A failure may also answer a release.
  if (asked != asked_.end()) asked_.erase(asked);
}

void SimClient::check_grants(const std::vector<AllocItem>& items, const GrantedReply& reply) {
  require(reply.grants.size() == items.size(), "a request is granted whole");
  for (size_t i = 0; i < items.size(); ++i) {
    const Grant& grant = reply.grants[i];
    require(device_.exists(grant.bo.handle), "a BO that is lent exists");
    const FakeDevice::FakeBo& bo = device_.bo(grant.bo.handle);
    BoFacts& facts = facts_[grant.bo.handle];
    require(!facts.leased, "a BO is lent to one client at a time");
    require(!bo.busy, "a busy BO is not lent");
    require(bo.others == 0 && bo.imports == 0, "a BO that somebody still holds is not lent");
    require(!bo.evictable, "a BO that is lent is not evictable");
    require(!bo.purged, "a BO whose pages are gone is not lent");
    require(facts.data_of == 0 || facts.data_of == uid_, "a BO does not cross domains");
    require(facts.data_of == 0 || (items[i].flags & kAllocZeroed) == 0, "zeroed memory reads as zero");
    require(facts.data_of == 0 || grant.origin != Origin::kFresh, "a fresh BO was never used");
    require(bo.size >= items[i].size, "a BO is as large as was asked for");
    require(bo.kind == kind_of_flags(items[i].flags), "a BO is of the kind that was asked for");
    facts = {.data_of = uid_, .leased = true};
    leases_.push_back({grant.lease, grant.bo.handle});
  }
}

}  // namespace panbo::sim
