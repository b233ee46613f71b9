// What the tests of unused leases start with: clients with tables, and time that passes tick by tick.
#pragma once

#include "tests/unit/service/service_rig.h"

namespace panbo {

using namespace std::chrono_literals;

class LocalCacheTest : public ServiceTest {
 protected:
  std::unique_ptr<FakeClient> join_with_table(uint32_t uid = 1000) {
    auto client = std::make_unique<FakeClient>(service_, uid);
    client->send(HelloRequest{.protocol_version = 1, .name = "fake", .lease_table = true});
    return client;
  }
  /// As a client's library does it.
  static void free(FakeClient& client, const Grant& grant) {
    bool wake = false;
    LeaseWord& word = client.table[grant.slot];
    static_cast<void>(free_lease(word, word, client.table[0], wake));
    if (wake) client.send(LeasesUnusedRequest{});
  }
  static bool taken(const FakeClient& client, const Grant& grant) {
    return lease_use(client.table[grant.slot]) == LeaseUse::kTaken;
  }
  /// Every tick that comes until then.
  int run_for(Duration time) {
    const Time end = clock_.now() + time;
    int ticks = 0;
    for (; service_.next_deadline() && *service_.next_deadline() <= end; ++ticks) {
      clock_.advance(std::max(*service_.next_deadline() - clock_.now(), Duration{}));
      tick();
    }
    clock_.advance(end - clock_.now());
    return ticks;
  }
  std::vector<Grant> alloc(FakeClient& client, AllocItem item) {
    client.send(AllocRequest{.items = {std::move(item)}});
    return client.last<GrantedReply>()->grants;
  }
  /// Leaves `count` BOs in the cache.
  void make_ready(uint32_t uid, uint64_t size, int count) {
    const auto client = join(uid);
    client->alloc(std::vector<uint64_t>(static_cast<size_t>(count), size));
  }
};

}  // namespace panbo
