// Scenarios about what others wait for: the more somebody has, the longer a call would take if it were done in one go.

#include "tests/sim/scenarios.h"
#include "tests/sim/stage.h"

namespace panbo::sim {
namespace {

void waiting_elsewhere(const Rules& rules, std::ostream* trace) {
  WorldOptions options = plain();
  options.service.client_quota.requests = options.service.user_quota.requests = 256;
  options.memory = 16 * kGiB;
  Stage stage(options, rules, trace);
  stage.board_.set_others(13 * kGiB);
  SimClient& mallory = stage.client(kMallory);
  SimClient& alice = stage.client(kAlice);
  stage.has(mallory, 63, kPage);
  mallory.release_all();
  std::vector<AllocItem> large = items(60, kPage);
  const std::vector<AllocItem> rest = items(3, kArenaBytes);
  large.insert(large.end(), rest.begin(), rest.end());
  for (int i = 0; i < 256; ++i) mallory.alloc(large, kLong);
  stage.step("one user has 256 requests that wait");
  alice.alloc(items(1, kPage), Duration::zero());
  stage.step("another user asks for a page");
  require(Stage::served(alice), "a small request is served while another user waits");
  alice.release(0);
  stage.step("and gives it back");
}

void failing_beside_many(const Rules& rules, std::ostream* trace) {
  WorldOptions options = plain();
  options.guarded_tables = true;
  options.service.client_quota.bytes = kGiB;
  Stage stage(options, rules, trace);
  Random random(1);
  for (int i = 0; i < 200; ++i) {
    SimClient& mallory = stage.client(kMallory, true);
    stage.has(mallory, 8, kPage);
    static_cast<void>(mallory.free_locally(random));
    mallory.say_unused();
  }
  stage.step("one user has 200 clients with lease tables, and each keeps something unused");
  SimClient& alice = stage.client(kAlice, true);
  alice.alloc(items(1, 2 * kGiB), Duration::zero());
  stage.step("another user asks for more than it may have");
  stage.pass(std::chrono::seconds(1));
  stage.step("the tables are looked at");
}

void ticks_beside_many(const Rules& rules, std::ostream* trace) {
  WorldOptions options = plain();
  options.guarded_tables = true;
  Stage stage(options, rules, trace);
  for (int i = 0; i < 200; ++i) stage.has(stage.client(kMallory, true), 8, kPage);
  stage.pass(std::chrono::seconds(10));
  stage.step("one user has 200 clients with lease tables, and nothing unused");
  SimClient& alice = stage.client(kAlice);
  stage.has(alice, 1, kPage);
  alice.release(0);
  stage.pass(std::chrono::seconds(1));
  stage.step("something is ready");
}

void departure(const Rules& rules, std::ostream* trace) {
  Stage stage(plain(), rules, trace);
  SimClient& mallory = stage.client(kMallory);
  stage.has(mallory, 9000, kPage);
  stage.forget(&mallory);
  stage.step("a client with 9,000 leases goes");
}

void batch_of_nearly_large(const Rules& rules, std::ostream* trace) {
  Stage stage(plain(), rules, trace);
  const uint64_t nearly = AllocatorOptions{}.large_bo - 4 * kPage;
  stage.client(kMallory).alloc(items(64, nearly), Duration::zero());
  stage.step("64 BOs in one request that are just not large enough for the worker");
}

void evict_all(const Rules& rules, std::ostream* trace) {
  Stage stage(plain(), rules, trace);
  SimClient& alice = stage.client(kAlice);
  stage.has(alice, 9000, kPage);
  alice.release_all();
  stage.gate().handle_admin(EvictAll{});
  stage.step("an administrator evicts 9,000 BOs");
}

void many_held(const Rules& rules, std::ostream* trace) {
  Stage stage(plain(), rules, trace);
  SimClient& mallory = stage.client(kMallory);
  stage.has(mallory, 4096, kPage);
  for (const SimClient::Lease& lease : mallory.leases()) ++stage.device().bo(lease.handle).others;
  mallory.release_all();
  stage.pass(std::chrono::seconds(10));
  stage.step("4,096 BOs are held for ten seconds");
}

void asks_beside_held(const Rules& rules, std::ostream* trace) {
  WorldOptions options = plain();
  options.service.user_quota.bos = 4096;
  Stage stage(options, rules, trace);
  SimClient& mallory = stage.client(kMallory);
  stage.has(mallory, 4096, kPage);
  for (const SimClient::Lease& lease : mallory.leases()) ++stage.device().bo(lease.handle).others;
  mallory.release_all();
  stage.pass(std::chrono::seconds(1));
  stage.step("a user's whole quota is held");
  mallory.alloc(items(1, kPage), Duration::zero());
  stage.step("it asks for more");
  require(mallory.open_requests() == 0, "a look at what is held comes to an end");
}

}  // namespace

std::vector<Scenario> scenarios_about_work() {
  return {{"waiting-elsewhere", waiting_elsewhere},
          {"failing-beside-many", failing_beside_many},
          {"ticks-beside-many", ticks_beside_many},
          {"departure", departure},
          {"batch-of-nearly-large", batch_of_nearly_large},
          {"evict-all", evict_all},
          {"many-held", many_held},
          {"asks-beside-held", asks_beside_held}};
}

}  // namespace panbo::sim
