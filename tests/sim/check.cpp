// The rules that hold after every step, whatever happened. What can only be seen when a grant arrives is in
// sim_client.cpp.

#include <utility>

#include "tests/sim/world.h"

namespace panbo::sim {
namespace {

/// As long as that a scan may be put off.
constexpr Duration kScanPause = std::chrono::milliseconds(10);

Cost cost_of(const FakeDevice::FakeBo& bo) {
  return {.bytes = BoKey{.kind = bo.kind, .size = bo.size}.memory(), .addresses = bo.size, .bos = 1};
}

bool within(const Cost& cost, const Cost& quota) {
  return cost.bytes <= quota.bytes && cost.addresses <= quota.addresses && cost.bos <= quota.bos &&
         cost.requests <= quota.requests;
}

}  // namespace

void World::check() {
  const Stats stats = gate_.stats();
  check_device();
  check_amounts(stats);
  check_local(stats);
  check_quotas(stats);
  if (rules_.work) require(!gate_.excess(), "work is bounded: " + gate_.excess().value_or(""));
  if (rules_.worker) check_worker();
  if (rules_.waiting) check_waiting();
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
  // More are leased than the clients know of only as parts of what is under way: requests, releases, departures.
  require(open > 0 || !gate_.idle() || stats.leased.count == leases, "nothing is leased to nobody");
  const uint64_t known =
      stats.leased.count + stats.draining.count + stats.held.count + stats.ready.count + stats.stock.count;
  require(known <= device_.bo_count(), "every BO that is counted exists");
  require(known + worker_.pending() >= device_.bo_count(), "every BO that exists is counted");
  uint64_t evictable = 0;
  for (const auto& [handle, bo] : device_.bos()) evictable += bo.evictable;
  const uint64_t idle = stats.ready.count + stats.stock.count;
  require(evictable >= idle, "what is ready or in stock is evictable");
  require(evictable <= idle + worker_.pending(), "what is neither ready nor in stock is not evictable");
  require(stats.cached + stats.fresh + stats.waited + stats.failed <= stats.requests, "no request ends twice");
  require(device_.watched() == stats.draining.count + stats.held.count, "what drains or is held is watched");
}

void World::check_local(const Stats& stats) {
  require(stats.local.count <= stats.leased.count && stats.local.bytes <= stats.leased.bytes,
          "what is local is leased");
  Amount unused;
  // Every table is looked at within an interval, if its client has said that there is something unused.
  uint64_t touches = touches_of_gone_;
  for (const auto& client : clients_) touches += client->touches();
  if (std::exchange(touches_, touches) != touches) touched_ = clock_.now();
  bool counted = gate_.idle() && clock_.now() - touched_ > options_.service.local.interval + kScanPause;
  for (const auto& client : clients_) {
    client->check_table();
    counted = counted && client->honest() && !client->has_to_say();
    const Amount amount = client->unused();
    unused.count += amount.count;
    unused.bytes += amount.bytes;
  }
  require(!counted || stats.local == unused, "what is unused is counted");
}

void World::check_quotas(const Stats& stats) {
  require(stats.ready.bytes <= options_.service.pool.cache_max, "the cache keeps to its budget");
  require(stats.held.count <= options_.service.pool.held_max, "no more BOs are held than may be");
  require(options_.service.pool.held_max < UINT64_MAX || device_.destroyed_while_held() <= device_.failed_looks(),
          "memory that somebody keeps stays accounted for");
  Cost charged;
  for (const auto& [uid, observer] : observers_) charged += gate_.account(observer->id())->parent()->used();
  const uint64_t spare = stats.ready.bytes + stats.stock.bytes;
  const uint64_t in_use = stats.leased.count + stats.draining.count + stats.held.count;
  require(charged.bos >= in_use, "what is in use is charged to somebody");
  // What is asked for is charged before it is there.
  if (gate_.idle() && worker_.pending() == 0) {
    require(charged.bytes + spare <= options_.service.room.total_max, "everything together keeps to its budget");
    require(charged.bos == in_use, "nobody is charged for what is not in use");
    check_bytes(stats, charged);
  }

  std::map<uint32_t, Cost> users;
  for (const auto& client : clients_) {
    // A request has a place when it waits, or the worker is at it.
    Cost cost{.requests = gate_.idle() ? client->read_requests() : 0};
    for (const SimClient::Lease& lease : client->leases()) cost += cost_of(device_.bo(lease.handle));
    require(within(cost, options_.service.client_quota), "a client keeps to its quota");
    users[client->uid()] += cost;
  }
  for (const auto& [uid, cost] : users) require(within(cost, options_.service.user_quota), "a user keeps to its quota");
}

// Only while the worker is at rest: a BO that it makes is charged and not there, one that it closes there and not
// charged.
void World::check_bytes(const Stats& stats, const Cost& charged) {
  Cost existing;
  for (const auto& [handle, bo] : device_.bos()) existing += cost_of(bo);
  // What is ready or in stock is never a heap.
  const uint64_t spare = stats.ready.bytes + stats.stock.bytes;
  require(charged.bytes + spare == existing.bytes, "every byte of memory is accounted for");
  require(charged.addresses + spare == existing.addresses, "every GPU address is accounted for");
}

}  // namespace panbo::sim
