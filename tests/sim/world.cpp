#include "tests/sim/world.h"

#include <algorithm>
#include <string>

namespace panbo::sim {
namespace {

/// So long a turn takes.
constexpr Duration kTurn = std::chrono::microseconds(20);

}  // namespace
World::World(const WorldOptions& options, const Rules& rules, std::ostream* trace)
    : options_(options),
      rules_(rules),
      trace_(trace),
      board_(device_, clock_, options.memory),
      worker_(device_),
      tables_(options.guarded_tables),
      gate_(device_, worker_, board_, tables_, clock_, options.service) {
  device_.arena_limit = options.arena_limit;
  device_.arena_size = options.arena_size;
  device_.heap_memory = kHeapGranule;
  worker_.on_created = [this](BoId id, const Result<DeviceBo>& result) { gate_.on_created(id, result); };
  worker_.on_destroyed = [this](uint64_t bytes) { gate_.on_destroyed(bytes); };
  worker_.on_create = [this] { creation_asked(); };
}

World::~World() {
  board_.on_look = nullptr;
  for (const auto& client : clients_) client->deaf = true;
}

SimClient& World::join(uint32_t uid) {
  if (!observers_.contains(uid)) {
    observers_.emplace(uid, std::make_unique<SimClient>(gate_, device_, facts_, tables_, uid));
  }
  clients_.push_back(std::make_unique<SimClient>(gate_, device_, facts_, tables_, uid));
  SimClient& client = *clients_.back();
  client.on_refused = [this, &client](const SimClient::Asked& asked, FailureKind kind) {
    refused(client, asked, kind);
  };
  return client;
}

void World::forget(SimClient* client) {
  on_forget(*client);
  touches_of_gone_ += client->touches();
  const auto found =
      std::find_if(clients_.begin(), clients_.end(), [client](const auto& c) { return c.get() == client; });
  // It is no client any more while it leaves.
  const std::unique_ptr<SimClient> leaving = std::move(*found);
  clients_.erase(found);
  leaving->leave();
}

void World::clients_catch_up() {
  for (const auto& client : clients_) {
    client->say_unused();
    client->answer_bell();
  }
}

void World::advance_to(Time time) {
  if (time > clock_.now()) clock_.advance(time - clock_.now());
  gate_.tick();
  run_turns();
}

void World::run_turn() {
  gate_.run_turn();
  clock_.advance(kTurn);
}

void World::run_turns() {
  for (int i = 0; !gate_.idle(); ++i) {
    require(i < 20'000, "turns come to an end");
    run_turn();
  }
}

void World::work_all() {
  run_turns();
  while (worker_.work()) run_turns();
}

void World::pass(Duration time) {
  const Time until = clock_.now() + time;
  run_turns();
  while (gate_.next_deadline() && *gate_.next_deadline() <= until) advance_to(*gate_.next_deadline());
  advance_to(until);
}

void World::finish_job(uint32_t handle) {
  facts_[handle].let_go_at = clock_.now();
  for (const BoId id : device_.finish_job(handle)) gate_.on_idle(id);
}

void World::come_to_rest() {
  std::vector<uint32_t> handles;
  for (const auto& [handle, bo] : device_.bos()) handles.push_back(handle);
  for (const uint32_t handle : handles) {
    if (!device_.exists(handle)) continue;
    device_.bo(handle).others = device_.bo(handle).imports = 0;
    facts_[handle].let_go_at = clock_.now();
    finish_job(handle);
  }
  for (int i = 0;; ++i) {
    // As long as there is no memory for the stock it is tried again, now and then.
    if (i > 10'000 && stocked() < wanted_stock()) return;
    require(i < 100'000, "the service comes to rest");
    clients_catch_up();
    work_all();
    const auto next = gate_.next_deadline();
    if (!next) return;
    advance_to(*next);
  }
}

void World::everybody_leaves() {
  note("everybody leaves");
  while (!clients_.empty()) forget(clients_.back().get());
  come_to_rest();
  check();
  require(device_.bo_count() == stocked(), "nothing but the stock is left when everybody has gone");
  require(device_.watched() == 0, "nothing is watched when everybody has gone");
}

uint64_t World::wanted_stock() const {
  uint64_t sum = 0;
  for (const StockItem& item : options_.service.pool.stock) sum += item.count;
  return sum;
}

void World::note(const std::string& what) {
  if (trace_ == nullptr) return;
  *trace_ << steps_ << "\t"
          << std::chrono::duration_cast<std::chrono::microseconds>(clock_.now().time_since_epoch()).count() << " us\t"
          << device_.bo_count() << " BOs\t" << board_.left() / 1024 << " KiB left\t" << what << "\n";
}

}  // namespace panbo::sim
