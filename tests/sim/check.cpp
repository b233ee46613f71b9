// The rules that hold after every step, whatever happened. What can only be seen when a grant arrives is in
// sim_client.cpp.

#include "tests/sim/world.h"

namespace panbo::sim {

void World::check() {
  const Stats stats = std::get<Stats>(service_->handle_admin(StatsRequest{}));
  check_device();
  check_amounts(stats);
  check_quotas(stats);
}

void World::check_device() {
  for (const auto& client : clients_) {
    for (const SimClient::Lease& lease : client->leases()) {
      require(device_.exists(lease.handle), "a leased BO exists");
      require(!device_.bo(lease.handle).evictable, "a leased BO is not evictable");
    }
  }
}

void World::check_amounts(const Stats& stats) {
  uint64_t leases = 0;
  size_t open = 0;
  for (const auto& client : clients_) {
    leases += client->leases().size();
    open += client->open_requests();
  }
  require(stats.leased.count >= leases, "every lease is counted");
  // More are leased than the clients know of only as parts of requests that are under way.
  require(open > 0 || stats.leased.count == leases, "nothing is leased to nobody");
  const uint64_t known = stats.leased.count + stats.draining.count + stats.held.count + stats.ready.count;
  require(known <= device_.bo_count(), "every BO that is counted exists");
  require(known + worker_.pending() >= device_.bo_count(), "every BO that exists is counted");
  uint64_t evictable = 0;
  for (const auto& [handle, bo] : device_.bos()) evictable += bo.evictable;
  require(evictable >= stats.ready.count, "what is ready is evictable");
  require(evictable <= stats.ready.count + worker_.pending(), "what is not ready is not evictable");
  require(stats.cached + stats.fresh + stats.waited + stats.failed <= stats.requests, "no request ends twice");
  require(device_.watched() == stats.draining.count + stats.held.count, "what drains or is held is watched");
}

void World::check_quotas(const Stats& stats) {
  const uint64_t total = stats.leased.bytes + stats.draining.bytes + stats.held.bytes + stats.ready.bytes;
  require(stats.ready.bytes <= options_.pool.cache_max, "the cache keeps to its budget");
  require(total <= options_.allocator.total_max, "everything together keeps to its budget");
  uint64_t charged = 0;
  for (const auto& observer : observers_) charged += service_->account(observer->id())->parent()->used().bos;
  const uint64_t in_use = stats.leased.count + stats.draining.count + stats.held.count;
  require(charged >= in_use, "what is in use is charged to somebody");
  require(charged <= in_use + worker_.pending(), "nobody is charged for what is not in use");
  std::map<uint32_t, Cost> users;
  for (const auto& client : clients_) {
    Cost cost;
    for (const SimClient::Lease& lease : client->leases()) {
      ++cost.bos;
      cost.bytes += device_.bo(lease.handle).size;
    }
    require(cost.bytes <= options_.client_quota.bytes, "a client keeps to its bytes");
    require(cost.bos <= options_.client_quota.bos, "a client keeps to its BOs");
    require(client->open_requests() <= options_.client_quota.requests, "a client keeps to its open requests");
    users[client->uid()].bytes += cost.bytes;
    users[client->uid()].bos += cost.bos;
    users[client->uid()].requests += client->open_requests();
  }
  for (const auto& [uid, cost] : users) {
    require(cost.bytes <= options_.user_quota.bytes, "a user keeps to its bytes");
    require(cost.bos <= options_.user_quota.bos, "a user keeps to its BOs");
    require(cost.requests <= options_.user_quota.requests, "a user keeps to its open requests");
  }
}

}  // namespace panbo::sim
