// Scenarios about who pays for whom: requests that can never be served, and users who have little beside one who has
// much.

#include <algorithm>

#include "daemon/service/alloc_flags.h"
#include "tests/sim/scenarios.h"
#include "tests/sim/stage.h"

namespace panbo::sim {
namespace {

void never_placeable(const Rules& rules, std::ostream* trace) {
  WorldOptions options = plain();
  options.service.local.decay = std::chrono::hours(1);
  Stage stage(options, rules, trace);
  SimClient& alice = stage.client(kAlice, true);
  Random random(1);
  stage.has(alice, 16, kPage);
  alice.release_all();
  SimClient& painter = stage.client(kAlice, true);
  stage.has(painter, 4, kMiB);
  static_cast<void>(painter.free_locally(random));
  stage.step("a user has 16 BOs in the cache and a lease unused");
  SimClient& mallory = stage.client(kMallory);
  for (int i = 0; i < 4; ++i) mallory.alloc(items(1, 2 * kGiB, kAllocExecutable), kLong);
  stage.work_all();
  stage.step("another asks for an executable BO that no arena can hold");
  require(stage.gate().stats().ready.count == 16, "what can never be served costs nobody the cache");
  require(painter.unused().count == 1, "what can never be served costs nobody what it keeps unused");
  require(stage.device().arenas() == 1, "what can never be served opens no arena");
  require(mallory.open_requests() == 0, "what can never be served is refused at once");
}

void little_beside_much(const Rules& rules, std::ostream* trace) {
  WorldOptions options = plain();
  options.service.room.total_max = options.service.board_quota.bytes = 256 * kMiB;
  options.service.board_last_share.bytes = 32 * kMiB;
  Stage stage(options, rules, trace);
  SimClient& mallory = stage.client(kMallory);
  stage.has(mallory, 512, kMiB / 2);
  for (int i = 0; i < 4; ++i) mallory.alloc(items(1, kMiB), kLong);
  stage.step("one user has all that it can get, and waits for more");
  SimClient& alice = stage.client(kAlice);
  alice.alloc(items(1, 16 * kPage), Duration::zero());
  stage.step("another asks for a little");
  require(Stage::served(alice), "the last share of the memory is for those who have little");
}

void cache_beside_churn(const Rules& rules, std::ostream* trace) {
  WorldOptions options = plain();
  options.service.pool.cache_max = 64 * kMiB;
  Stage stage(options, rules, trace);
  SimClient& alice = stage.client(kAlice);
  stage.has(alice, 16, 64 * kPage);
  alice.release_all();
  stage.step("one user has 4 MiB in the cache");
  SimClient& mallory = stage.client(kMallory);
  stage.has(mallory, 1024, 64 * kPage);
  mallory.release_all();
  stage.step("another sends 256 MiB through it");
  alice.alloc(items(16, 64 * kPage), Duration::zero());
  stage.step("the first asks for its BOs again");
  const auto& grants = std::get<GrantedReply>(*alice.last_answer()).grants;
  require(std::all_of(grants.begin(), grants.end(), [](const Grant& grant) { return grant.origin == Origin::kCached; }),
          "one user's churn does not flush the cache of another");
}

}  // namespace

std::vector<Scenario> scenarios_about_fairness() {
  return {{"never-placeable", never_placeable},
          {"little-beside-much", little_beside_much},
          {"cache-beside-churn", cache_beside_churn}};
}

}  // namespace panbo::sim
