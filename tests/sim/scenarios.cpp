#include "tests/sim/scenarios.h"

#include <algorithm>
#include <array>

#include "daemon/service/alloc_flags.h"
#include "tests/sim/stage.h"

namespace panbo::sim {
namespace {

constexpr Duration kLong = std::chrono::minutes(10);

WorldOptions plain() {
  WorldOptions options;
  options.memory = 64 * kGiB;
  options.service.pool.headroom_share = 0;
  options.service.pool.decay_time = std::chrono::hours(1);
  options.service.on_shortage = [](const Shortage&) {};
  return options;
}

// What others wait for.

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
  for (int i = 0; i < 200; ++i) stage.has(stage.client(kMallory, true), 8, kPage);
  stage.step("one user has 200 clients with lease tables");
  SimClient& alice = stage.client(kAlice, true);
  alice.alloc(items(1, 2 * kGiB), Duration::zero());
  stage.step("another user asks for more than it may have");
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
  stage.client(kMallory).alloc(items(64, kMiB - 8 * kPage), Duration::zero());
  stage.step("64 BOs of just under 1 MiB in one request");
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

// What is never to be had.

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

// What is in flight.

void asked_back_large(const Rules& rules, std::ostream* trace) {
  WorldOptions options = plain();
  options.memory = 80 * kMiB;
  options.service.local.decay = std::chrono::hours(1);
  Stage stage(options, rules, trace);
  Random random(1);
  SimClient& keeper = stage.client(kMallory, true);
  stage.has(keeper, 4, 16 * kMiB);
  while (keeper.unused().count < 4) static_cast<void>(keeper.free_locally(random));
  stage.step("a client keeps 64 MiB unused");
  SimClient& alice = stage.client(kAlice);
  alice.alloc(items(1, 64 * kMiB), Duration::zero());
  stage.pass(Duration::zero());
  keeper.answer_bell();
  stage.step("another asks for them, and they are given back");
  stage.pass(std::chrono::milliseconds(200));
  stage.step("the worker destroys them, which takes a while");
  stage.work_all();
  stage.step("they are destroyed");
  stage.work_all();
  require(Stage::served(alice), "what is asked back reaches the asker");
}

void waits_beside_destroyed(const Rules& rules, std::ostream* trace) {
  WorldOptions options = plain();
  options.memory = 80 * kMiB;
  options.service.pool.cache_max = 0;
  Stage stage(options, rules, trace);
  SimClient& keeper = stage.client(kMallory);
  stage.has(keeper, 4, 16 * kMiB);
  SimClient& alice = stage.client(kAlice);
  alice.alloc(items(1, 64 * kMiB), kLong);
  stage.step("a request waits for memory that another has");
  keeper.release_all();
  stage.step("it is given back, and the worker is to destroy it");
  stage.work_all();
  stage.step("it is destroyed");
}

void failed_creation(const Rules& rules, std::ostream* trace) {
  WorldOptions options = plain();
  options.service.user_quota.bytes = 16 * kMiB;
  Stage stage(options, rules, trace);
  SimClient& first = stage.client(kAlice);
  SimClient& second = stage.client(kAlice);
  first.alloc(items(1, 10 * kMiB), Duration::zero());
  second.alloc(items(1, 10 * kMiB), kLong);
  stage.step("one BO is being made, and another request waits for its quota");
  stage.device().create_failures = {Errno{EIO}};
  stage.work_all();
  stage.step("the creation fails");
}

void others_give_back(const Rules& rules, std::ostream* trace) {
  WorldOptions options = plain();
  options.memory = 64 * kMiB;
  Stage stage(options, rules, trace);
  stage.board_.set_others(60 * kMiB);
  SimClient& alice = stage.client(kAlice);
  alice.alloc(items(1, 16 * kMiB), kLong);
  stage.step("a request waits for memory that other programs have");
  stage.board_.set_others(0);
  stage.pass(std::chrono::seconds(1));
  stage.step("they give it back, and a second passes");
}

void held_late(const Rules& rules, std::ostream* trace) {
  WorldOptions options = plain();
  options.memory = 64 * kMiB;
  Stage stage(options, rules, trace);
  SimClient& alice = stage.client(kAlice);
  stage.has(alice, 1, 60 * kMiB);
  const uint32_t handle = alice.leases()[0].handle;
  ++stage.device().bo(handle).others;
  alice.release(0);
  stage.pass(std::chrono::seconds(90));
  stage.step("a BO has been held for 90 seconds");
  stage.device().bo(handle).others = 0;
  alice.alloc(items(1, 60 * kMiB), Duration::zero());
  stage.step("the reference goes, and somebody needs the memory");
  stage.work_all();
  require(Stage::served(alice), "who finds no memory looks at what is held");
}

void batch_beyond_memory(const Rules& rules, std::ostream* trace) {
  WorldOptions options = plain();
  options.memory = kGiB;
  Stage stage(options, rules, trace);
  SimClient& alice = stage.client(kAlice);
  alice.alloc(items(8, 256 * kMiB), Duration::zero());
  stage.step("eight times a quarter of the memory is asked for");
  stage.work_all();
  stage.step("the worker has done what it was asked for");
}

void batch_beyond_quota(const Rules& rules, std::ostream* trace) {
  WorldOptions options = plain();
  options.service.client_quota.bytes = kGiB;
  Stage stage(options, rules, trace);
  stage.client(kAlice).alloc(items(18, 60 * kMiB), Duration::zero());
  stage.step("a batch is refused that can never fit its quota");
}

void ask_and_go(const Rules& rules, std::ostream* trace) {
  Stage stage(plain(), rules, trace);
  for (int i = 0; i < 50; ++i) {
    SimClient& mallory = stage.client(kMallory);
    mallory.alloc(items(1, 256 * kMiB), kLong);
    stage.forget(&mallory);
  }
  SimClient& alice = stage.client(kAlice);
  alice.alloc(items(1, 2 * kMiB), kLong);
  stage.step("50 clients have asked for a large BO, and gone");
  int halves = 0;
  for (; !Stage::served(alice) && stage.worker().work(); ++halves) stage.run_turns();
  require(halves <= 4, "nobody waits for what was made for nobody");
}

// Who is served.

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

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all = {{"waiting-elsewhere", waiting_elsewhere},
                                            {"failing-beside-many", failing_beside_many},
                                            {"ticks-beside-many", ticks_beside_many},
                                            {"departure", departure},
                                            {"batch-of-nearly-large", batch_of_nearly_large},
                                            {"evict-all", evict_all},
                                            {"many-held", many_held},
                                            {"never-placeable", never_placeable},
                                            {"asked-back-large", asked_back_large},
                                            {"waits-beside-destroyed", waits_beside_destroyed},
                                            {"failed-creation", failed_creation},
                                            {"others-give-back", others_give_back},
                                            {"held-late", held_late},
                                            {"batch-beyond-memory", batch_beyond_memory},
                                            {"batch-beyond-quota", batch_beyond_quota},
                                            {"ask-and-go", ask_and_go},
                                            {"little-beside-much", little_beside_much},
                                            {"cache-beside-churn", cache_beside_churn}};
  return all;
}

const Scenario* find_scenario(std::string_view name) {
  for (const Scenario& scenario : scenarios()) {
    if (scenario.name == name) return &scenario;
  }
  return nullptr;
}

}  // namespace panbo::sim
