// Sizes, limits and times are small and close to each other on purpose: a run of a thousand steps then meets every
// limit many times.

#include "tests/sim/random_run.h"

#include <array>

namespace panbo::sim {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kLargestHeap = 64 * kMiB;
constexpr uint64_t kHoardsInOneOf = 200;

}  // namespace

WorldOptions some_options(Random& random, bool hoards) {
  WorldOptions world;
  ServiceOptions& options = world.service;
  options.pool.cache_max = random.one_in(4) ? UINT64_MAX : random.between(1, 16) * kMiB;
  options.pool.decay_time = std::chrono::milliseconds(random.between(1, 10'000));
  options.pool.headroom_share = random.one_in(4) ? 0 : 0.25;
  options.pool.held_longest_pause = std::chrono::milliseconds(random.between(1, 2'000));
  options.pool.held_max = random.one_in(2) ? UINT64_MAX : random.between(1, 8);
  if (random.one_in(2)) options.pool.stock = {{kPage, random.between(1, 3)}, {kMiB, random.between(1, 3)}};
  options.room.total_max = random.one_in(4) ? UINT64_MAX : random.between(8, 64) * kMiB;
  options.local.decay = std::chrono::milliseconds(random.one_in(4) ? 0 : random.between(1, 2'000));
  options.local.overdue = std::chrono::milliseconds(random.between(100, 2'000));
  options.client_quota = {.bytes = random.between(4, 32) * kMiB,
                          .addresses = random.between(8, 128) * kMiB,
                          .bos = random.between(4, 64),
                          .requests = 4};
  options.user_quota = {.bytes = random.between(8, 48) * kMiB,
                        .addresses = random.between(16, 192) * kMiB,
                        .bos = random.between(8, 96),
                        .requests = 6};
  if (hoards) {
    options.pool.cache_max = 64 * kMiB;
    options.pool.held_max = UINT64_MAX;
    options.client_quota.bos = 2048;
    options.user_quota.bos = 3072;
  }
  world.memory = random.between(16, 128) * kMiB;
  world.arena_limit = random.between(1, 3);
  world.arena_size = random.between(kLargestHeap / kMiB, 4 * kLargestHeap / kMiB) * kMiB;
  if (random.one_in(2)) {
    options.board_quota.bytes = options.room.total_max;
    options.board_quota.addresses = world.arena_limit * world.arena_size;
    options.board_last_share = {.bytes = options.board_quota.bytes / 8, .addresses = options.board_quota.addresses / 8};
  }
  return world;
}

RandomRun::RandomRun(uint64_t seed, const Rules& rules, std::ostream* trace)
    : RandomRun(Random(seed), seed % kHoardsInOneOf == 0, rules, trace) {
}

RandomRun::RandomRun(Random random, bool hoards, const Rules& rules, std::ostream* trace)
    : World(some_options(random, hoards), rules, trace), random_(random), hoards_(hoards) {
  board_.on_look = [this] {
    if (SimClient* client = some_client(); client != nullptr) {
      static_cast<void>(random_.one_in(2) ? client->free_locally(random_) : client->use_locally(random_));
    }
  };
}

void RandomRun::run(int steps) {
  for (steps_ = 0; steps_ < steps; ++steps_) {
    step();
    if (!random_.one_in(4)) run_turns();
    for (size_t i = clients_.size(); i-- > 0;) {
      if (clients_[i]->closed()) forget(clients_[i].get());
    }
    check();
  }
  settle();
}

void RandomRun::step() {
  struct Action {
    unsigned weight;
    void (RandomRun::*act)();
  };
  static constexpr std::array kActions = {Action{10, &RandomRun::come},
                                          Action{2, &RandomRun::leave},
                                          Action{1, &RandomRun::misbehave},
                                          Action{30, &RandomRun::alloc},
                                          Action{24, &RandomRun::release},
                                          Action{8, &RandomRun::start_job},
                                          Action{8, &RandomRun::end_job},
                                          Action{4, &RandomRun::keep_reference},
                                          Action{5, &RandomRun::drop_reference},
                                          Action{12, &RandomRun::turns},
                                          Action{24, &RandomRun::device_works},
                                          Action{3, &RandomRun::device_fails},
                                          Action{2, &RandomRun::kernel_purges},
                                          Action{2, &RandomRun::others_change},
                                          Action{1, &RandomRun::pressure},
                                          Action{1, &RandomRun::admin_evicts},
                                          Action{20, &RandomRun::free_locally},
                                          Action{20, &RandomRun::use_locally},
                                          Action{1, &RandomRun::scribble},
                                          Action{2, &RandomRun::flood},
                                          Action{1, &RandomRun::wait_without_end},
                                          Action{1, &RandomRun::ask_and_go},
                                          Action{1, &RandomRun::ask_what_never_fits},
                                          Action{1, &RandomRun::toggle},
                                          Action{1, &RandomRun::hoard},
                                          Action{20, &RandomRun::say_unused},
                                          Action{12, &RandomRun::answer_bell},
                                          Action{12, &RandomRun::time_passes}};
  static constexpr unsigned kTotal = [] {
    unsigned sum = 0;
    for (const Action& action : kActions) sum += action.weight;
    return sum;
  }();
  uint64_t pick = random_.below(kTotal);
  for (const Action& action : kActions) {
    if (pick < action.weight) {
      (this->*action.act)();
      return;
    }
    pick -= action.weight;
  }
}

// Every job ends and every reference goes: then every request is answered. Everybody leaves: then nothing is left.
void RandomRun::settle() {
  note("every job ends, every reference goes");
  board_.on_look = nullptr;
  board_.set_others(0);
  come_to_rest();
  for (const auto& client : clients_) {
    require(client->open_requests() == 0, "every request is answered");
    require(!client->honest() || client->unused().count == 0, "nothing unused lies unseen");
  }
  count(gate_.stats());
  everybody_leaves();
}

void RandomRun::count(const Stats& stats) {
  coverage_.requests += stats.requests;
  coverage_.cached += stats.cached;
  coverage_.fresh += stats.fresh;
  coverage_.waited += stats.waited;
  coverage_.failed += stats.failed;
  coverage_.evicted += stats.evicted.count;
  coverage_.purged += stats.purged.count;
}

void RandomRun::on_forget(const SimClient& client) {
  coverage_.used_again += client.used_again;
  coverage_.given_back += client.given_back;
}

}  // namespace panbo::sim
