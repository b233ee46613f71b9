// Time passes a little with each call, so that no two BOs were used at the same moment, and never as much as would make
// one decay.
//
// The turns are as many as fit a CPU's cache, and go round: what is measured is the daemon's work, not the distance to
// the bench's own list.

#include "tests/bench/stocked_service.h"

#include <random>
#include <stdexcept>

#include "proto/size_class.h"

namespace panbo::bench {
namespace {

constexpr size_t kTurns = 4096;
constexpr auto kStep = std::chrono::nanoseconds(100);

ServiceOptions options() {
  ServiceOptions options;
  options.pool.decay_time = std::chrono::hours(24);
  return options;
}

}  // namespace

class StockedService::Client : public ClientPort {
 public:
  Client(Service& service, uint32_t uid) : service_(service), id_(service.connect({.uid = uid}, *this)) {
    service_.handle(id_, next(), HelloRequest{.protocol_version = 1, .name = "bench"});
  }
  ~Client() override { service_.disconnect(id_); }

  void alloc(uint64_t size) { service_.handle(id_, next(), AllocRequest{.items = {{.size = size}}}); }
  void release() {
    for (const Grant& grant : granted_) service_.handle(id_, next(), ReleaseRequest{{grant.lease}});
    granted_.clear();
  }
  /// Keeps no memory for grants that are gone.
  void forget() { granted_.shrink_to_fit(); }
  [[nodiscard]] Origin last_origin() const { return granted_.back().origin; }

  void reply(RequestId, ClientReply reply) override {
    if (const auto* granted = std::get_if<GrantedReply>(&reply)) granted_.push_back(granted->grants.at(0));
    if (std::holds_alternative<FailureReply>(reply)) throw std::runtime_error("the service has refused a request");
  }
  void close() override {}
  std::span<LeaseWord> make_lease_table() override { return {}; }
  void ring() override {}

 private:
  RequestId next() { return RequestId{++last_request_}; }

  Service& service_;
  const ClientId id_;
  uint64_t last_request_ = 0;
  std::vector<Grant> granted_;
};

std::vector<uint64_t> classes_between(uint64_t smallest, uint64_t largest) {
  std::vector<uint64_t> sizes;
  for (uint64_t size = smallest; size <= largest; size = size_class(size + 1, 4096)) sizes.push_back(size);
  return sizes;
}

StockedService::StockedService(Stock stock)
    : stock_(std::move(stock)), service_(device_, nullptr, memory_, clock_, options()) {
  for (uint32_t user = 0; user < stock_.users; ++user) {
    clients_.push_back(std::make_unique<Client>(service_, 1000 + user));
  }
  fill();
  std::minstd_rand random(1);
  for (size_t i = 0; i < kTurns; ++i) {
    turns_.push_back({clients_[random() % clients_.size()].get(), stock_.sizes[random() % stock_.sizes.size()]});
  }
}

StockedService::~StockedService() = default;

// Users and sizes take turns, so that neighbours in memory have nothing else in common, as after long use.
void StockedService::fill() {
  for (size_t i = 0; i < stock_.bos; ++i) {
    clock_.advance(kStep);
    clients_[i % clients_.size()]->alloc(stock_.sizes[i / clients_.size() % stock_.sizes.size()]);
  }
  for (const auto& client : clients_) {
    clock_.advance(kStep);
    client->release();
    client->forget();
  }
  const auto ready = std::get<Stats>(service_.handle_admin(StatsRequest{})).ready.count;
  if (ready != stock_.bos) throw std::runtime_error("not all BOs of the stock are ready");
}

void StockedService::hit() {
  const Turn& turn = turns_[next_turn_++ % kTurns];
  clock_.advance(kStep);
  turn.client->alloc(turn.size);
  if (turn.client->last_origin() != Origin::kCached) throw std::runtime_error("not served from the cache");
  turn.client->release();
}

}  // namespace panbo::bench
