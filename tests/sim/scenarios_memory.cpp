// Scenarios about memory and quota in flight: what is being made, destroyed, promised, asked back, held and given back.

#include "tests/sim/scenarios.h"
#include "tests/sim/stage.h"

namespace panbo::sim {
namespace {

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

void quota_changes_hands(const Rules& rules, std::ostream* trace) {
  WorldOptions options = plain();
  options.service.client_quota.bytes = options.service.user_quota.bytes = 8 * kMiB;
  Stage stage(options, rules, trace);
  SimClient& first = stage.client(kAlice);
  SimClient& second = stage.client(kAlice);
  stage.has(first, 1, 8 * kMiB);
  // So many that one piece does not go through all of them, and all but one give up.
  for (int i = 0; i < 20; ++i) second.alloc(items(1, 8 * kMiB), std::chrono::milliseconds(100));
  stage.step("one client has all of its user's quota, and another waits for it");
  first.alloc(items(1, 4 * kMiB), kLong);
  stage.step("the first waits for more, too: its own quota is full");
  first.release(0);
  stage.step("it gives back what it has, and the other has it all");
  stage.work_all();
  stage.pass(std::chrono::milliseconds(200));
  stage.step("now it is the user's quota that is full, and nobody else waits for it");
  require(second.leases().size() == 1, "who came first is served first");
  second.release(0);
  stage.step("the other gives it back");
  stage.work_all();
  require(Stage::served(first), "whoever waits hears of the quota that is full now");
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

void promised_once(const Rules& rules, std::ostream* trace) {
  WorldOptions options = plain();
  options.memory = 16 * kMiB;
  Stage stage(options, rules, trace);
  SimClient& mallory = stage.client(kMallory);
  SimClient& alice = stage.client(kAlice);
  stage.step("16 MiB are there");
  mallory.alloc(items(60, 50 * kPage), Duration::zero());
  alice.alloc(items(60, 50 * kPage), Duration::zero());
  stage.step("two users ask for 12 MiB each, in many small BOs");
  stage.work_all();
  require(Stage::served(mallory) != Stage::served(alice), "one of two is served where there is enough for one");
  require(stage.device().refusals() == 0, "the kernel is not asked for what was promised to another");
}

void batch_beyond_quota(const Rules& rules, std::ostream* trace) {
  WorldOptions options = plain();
  options.service.client_quota.bytes = kGiB;
  Stage stage(options, rules, trace);
  SimClient& alice = stage.client(kAlice);
  alice.alloc(items(18, 60 * kMiB), Duration::zero());
  stage.step("a batch is refused that can never fit its quota");
  alice.alloc(items(18, 60 * kMiB), kLong);
  stage.step("although it would wait");
  require(alice.open_requests() == 0, "what can never be served is refused at once");
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

}  // namespace

std::vector<Scenario> scenarios_about_memory() {
  return {{"asked-back-large", asked_back_large},       {"waits-beside-destroyed", waits_beside_destroyed},
          {"failed-creation", failed_creation},         {"quota-changes-hands", quota_changes_hands},
          {"others-give-back", others_give_back},       {"held-late", held_late},
          {"batch-beyond-memory", batch_beyond_memory}, {"promised-once", promised_once},
          {"batch-beyond-quota", batch_beyond_quota},   {"ask-and-go", ask_and_go}};
}

}  // namespace panbo::sim
