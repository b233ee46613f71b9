// Sizes, limits and times are small and close to each other on purpose: a run of a thousand steps then meets every
// limit many times.

#include "tests/sim/world.h"

#include <algorithm>
#include <array>
#include <string>

#include "daemon/service/alloc_flags.h"

namespace panbo::sim {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kLargestHeap = 64 * kMiB;
constexpr size_t kMaxClients = 8;
constexpr uint32_t kFirstUid = 1001;
constexpr uint32_t kLastUid = 1003;

ServiceOptions some_options(Random& random) {
  ServiceOptions options;
  options.pool.cache_max = random.one_in(4) ? UINT64_MAX : random.between(1, 16) * kMiB;
  options.pool.decay_time = std::chrono::milliseconds(random.between(1, 10'000));
  options.pool.headroom_share = random.one_in(4) ? 0 : 0.25;
  options.pool.held_longest_pause = std::chrono::milliseconds(random.between(1, 2'000));
  options.pool.held_max = random.one_in(2) ? UINT64_MAX : random.between(1, 8);
  if (random.one_in(2)) options.pool.stock = {{kPage, random.between(1, 3)}, {kMiB, random.between(1, 3)}};
  options.allocator.total_max = random.one_in(4) ? UINT64_MAX : random.between(8, 64) * kMiB;
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
  return options;
}

}  // namespace

World::World(uint64_t seed, std::ostream* trace)
    : random_(seed), trace_(trace), worker_(device_), options_(some_options(random_)) {
  device_.memory_limit = random_.between(8, 64) * kMiB;
  device_.arena_limit = random_.between(1, 3);
  device_.arena_size = random_.between(kLargestHeap / kMiB, 4 * kLargestHeap / kMiB) * kMiB;
  memory_.on_look = [this] {
    if (SimClient* client = some_client(); client != nullptr) {
      static_cast<void>(random_.one_in(2) ? client->free_locally(random_) : client->use_locally(random_));
    }
  };
  service_.emplace(device_, random_.one_in(3) ? nullptr : &worker_, memory_, clock_, options_);
  for (uint32_t uid = kFirstUid; uid <= kLastUid; ++uid) {
    observers_.push_back(std::make_unique<SimClient>(*service_, device_, facts_, uid));
  }
  worker_.on_created = [this](BoId id, const Result<DeviceBo>& result) { service_->on_created(id, result); };
  worker_.on_destroyed = [this](uint64_t bytes) { service_->on_destroyed(bytes); };
}

void World::run(int steps) {
  for (steps_ = 0; steps_ < steps; ++steps_) {
    step();
    check();
  }
  settle();
}

void World::step() {
  struct Action {
    unsigned weight;
    void (World::*act)();
  };
  static constexpr std::array kActions = {
      Action{4, &World::join},           Action{2, &World::leave},          Action{1, &World::misbehave},
      Action{30, &World::alloc},         Action{24, &World::release},       Action{8, &World::start_job},
      Action{8, &World::end_job},        Action{4, &World::keep_reference}, Action{5, &World::drop_reference},
      Action{12, &World::device_works},  Action{3, &World::device_fails},   Action{2, &World::kernel_purges},
      Action{2, &World::memory_changes}, Action{1, &World::pressure},       Action{1, &World::admin_evicts},
      Action{20, &World::free_locally},  Action{20, &World::use_locally},   Action{1, &World::scribble},
      Action{20, &World::say_unused},    Action{12, &World::answer_bell},   Action{12, &World::time_passes}};
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
void World::settle() {
  note("every job ends, every reference goes");
  memory_.on_look = nullptr;
  memory_.bytes = UINT64_MAX;
  come_to_rest();
  for (const auto& client : clients_) {
    require(client->open_requests() == 0, "every request is answered");
    require(!client->honest() || client->unused().count == 0, "nothing unused lies unseen");
  }

  note("everybody leaves");
  count(std::get<Stats>(service_->handle_admin(StatsRequest{})));
  while (!clients_.empty()) forget(clients_.back().get());
  come_to_rest();
  check();
  require(device_.bo_count() == stocked(), "nothing but the stock is left when everybody has gone");
  require(device_.watched() == 0, "nothing is watched when everybody has gone");
}

void World::come_to_rest() {
  std::vector<uint32_t> handles;
  for (const auto& [handle, bo] : device_.bos()) handles.push_back(handle);
  for (const uint32_t handle : handles) {
    if (!device_.exists(handle)) continue;
    device_.bo(handle).others = device_.bo(handle).imports = 0;
    finish_job(handle);
  }
  for (int i = 0;; ++i) {
    // As long as there is no memory for the stock it is tried again, now and then.
    if (i > 10'000 && stocked() < wanted_stock()) return;
    require(i < 100'000, "the service comes to rest");
    clients_catch_up();
    worker_.work_all();
    if (!service_->next_deadline()) return;
    advance_to(*service_->next_deadline());
  }
}

uint64_t World::stocked() {
  return std::get<Stats>(service_->handle_admin(StatsRequest{})).stock.count;
}

uint64_t World::wanted_stock() const {
  uint64_t sum = 0;
  for (const StockItem& item : options_.pool.stock) sum += item.count;
  return sum;
}

void World::count(const Stats& stats) {
  coverage_.requests += stats.requests;
  coverage_.cached += stats.cached;
  coverage_.fresh += stats.fresh;
  coverage_.waited += stats.waited;
  coverage_.failed += stats.failed;
  coverage_.evicted += stats.evicted.count;
  coverage_.purged += stats.purged.count;
}

void World::join() {
  if (clients_.size() >= kMaxClients) return;
  const auto uid = static_cast<uint32_t>(random_.between(kFirstUid, kLastUid));
  note("a client of uid " + std::to_string(uid) + " joins");
  clients_.push_back(std::make_unique<SimClient>(*service_, device_, facts_, uid));
  clients_.back()->stopped = random_.one_in(10);
  if (!random_.one_in(20)) clients_.back()->hello(!random_.one_in(4));
}

void World::leave() {
  if (clients_.empty()) return;
  note("a client leaves, with whatever it has");
  forget(some_client());
}

void World::misbehave() {
  SimClient* client = some_client();
  if (client == nullptr) return;
  note("a client breaks the protocol or names a lease that is not its own");
  if (random_.one_in(4)) {
    client->hello(random_.one_in(2));
  } else if (random_.one_in(4)) {
    client->say_unused_anyway();
  } else {
    client->release_wrong(LeaseId{random_.below(1000)});
  }
  if (client->closed()) forget(client);
}

void World::alloc() {
  SimClient* client = some_client();
  if (client == nullptr) return;
  std::vector<AllocItem> items;
  for (uint64_t n = random_.one_in(4) ? random_.between(2, 5) : 1; n > 0; --n) items.push_back(some_item());
  const Duration timeout =
      random_.one_in(3) ? Duration(std::chrono::milliseconds(random_.between(1, 500))) : Duration::zero();
  note("an allocation of " + std::to_string(items.size()) + " from " + std::to_string(items[0].size) + " bytes");
  client->alloc(std::move(items), timeout);
  if (client->closed()) forget(client);
}

void World::release() {
  if (const auto lease = some_lease()) {
    note("a release");
    lease->first->release(lease->second);
  }
}

void World::start_job() {
  if (const auto lease = some_lease()) {
    note("a job starts on a leased BO");
    device_.bo(lease->first->leases()[lease->second].handle).busy = true;
  }
}

void World::end_job() {
  if (const auto handle = some_bo([](const FakeDevice::FakeBo& bo) { return bo.busy; })) {
    note("a job ends");
    finish_job(*handle);
  }
}

void World::keep_reference() {
  if (const auto lease = some_lease()) {
    note("a client keeps a reference of its own");
    FakeDevice::FakeBo& bo = device_.bo(lease->first->leases()[lease->second].handle);
    ++(random_.one_in(2) ? bo.others : bo.imports);
  }
}

void World::drop_reference() {
  const auto handle = some_bo([](const FakeDevice::FakeBo& bo) { return bo.others + bo.imports > 0; });
  if (!handle) return;
  FakeDevice::FakeBo& bo = device_.bo(*handle);
  // Whoever imported a BO may leave a job behind when it lets go.
  if (bo.imports > 0 && random_.one_in(4)) {
    note("a reference is dropped, a job stays");
    bo.busy = true;
  } else {
    note("a reference is dropped");
  }
  --(bo.imports > 0 ? bo.imports : bo.others);
}

void World::free_locally() {
  SimClient* client = some_client();
  if (client != nullptr && client->free_locally(random_)) note("a client frees, and tells nobody");
}

void World::use_locally() {
  SimClient* client = some_client();
  if (client != nullptr && client->use_locally(random_)) note("a client allocates what it has");
}

void World::scribble() {
  SimClient* client = some_client();
  if (client != nullptr && random_.one_in(4) && client->scribble(random_)) note("a client writes nonsense");
}

void World::say_unused() {
  if (SimClient* client = some_client()) client->say_unused();
}

void World::answer_bell() {
  if (SimClient* client = some_client()) client->answer_bell();
}

void World::clients_catch_up() {
  for (const auto& client : clients_) {
    client->say_unused();
    client->answer_bell();
  }
}

void World::forget(SimClient* client) {
  coverage_.used_again += client->used_again;
  coverage_.given_back += client->given_back;
  const auto found =
      std::find_if(clients_.begin(), clients_.end(), [client](const auto& c) { return c.get() == client; });
  // It is no client any more while it leaves.
  const std::unique_ptr<SimClient> leaving = std::move(*found);
  clients_.erase(found);
}

void World::device_works() {
  note("the device worker does a job");
  worker_.work();
}

void World::device_fails() {
  static constexpr std::array kErrors = {ENOMEM, ENOSPC, EIO, EMFILE};
  const Errno error{kErrors[random_.below(kErrors.size())]};
  const std::array queues = {&device_.create_failures, &device_.watch_failures, &device_.holders_failures,
                             &device_.evictable_failures, &device_.unevictable_failures};
  // Mostly creation, where the errors differ in what follows.
  auto* queue = random_.one_in(2) ? queues[0] : queues[random_.below(queues.size())];
  note("a device call is going to fail: " + error.message());
  queue->assign(random_.between(1, 3), error);
}

void World::kernel_purges() {
  note("the kernel takes what is evictable");
  device_.purge();
}

void World::memory_changes() {
  memory_.bytes = random_.one_in(2) ? UINT64_MAX : random_.below(64) * kMiB;
  if (random_.one_in(4)) device_.memory_limit = random_.between(4, 64) * kMiB;
  note("the board's memory changes");
}

void World::pressure() {
  note("memory pressure");
  service_->on_pressure(random_.one_in(2) ? Pressure::kSome : Pressure::kFull);
}

void World::admin_evicts() {
  note("an administrator evicts");
  switch (random_.below(3)) {
    case 0:
      service_->handle_admin(EvictAll{});
      break;
    case 1:
      service_->handle_admin(EvictBytes{random_.below(16 * kMiB)});
      break;
    default:
      service_->handle_admin(EvictUid{static_cast<uint32_t>(random_.between(kFirstUid, kLastUid))});
  }
}

void World::time_passes() {
  const Time until = clock_.now() + std::chrono::microseconds(random_.below(random_.one_in(4) ? 4'000'000 : 40'000));
  note("time passes");
  while (service_->next_deadline() && *service_->next_deadline() <= until) advance_to(*service_->next_deadline());
  advance_to(until);
}

void World::advance_to(Time time) {
  if (time > clock_.now()) clock_.advance(time - clock_.now());
  service_->tick();
}

void World::finish_job(uint32_t handle) {
  for (const BoId id : device_.finish_job(handle)) service_->on_idle(id);
}

std::optional<std::pair<SimClient*, size_t>> World::some_lease() {
  SimClient* client = some_client();
  if (client == nullptr || client->leases().empty()) return std::nullopt;
  return std::pair(client, random_.below(client->leases().size()));
}

template <class Predicate>
std::optional<uint32_t> World::some_bo(Predicate matches) {
  std::vector<uint32_t> handles;
  for (const auto& [handle, bo] : device_.bos()) {
    if (matches(bo)) handles.push_back(handle);
  }
  if (handles.empty()) return std::nullopt;
  return handles[random_.below(handles.size())];
}

SimClient* World::some_client() {
  return clients_.empty() ? nullptr : clients_[random_.below(clients_.size())].get();
}

AllocItem World::some_item() {
  AllocItem item;
  // Few sizes, so that the cache is hit often, and some odd ones.
  static constexpr std::array kSizes = {kPage, 3 * kPage, 16 * kPage, 300 * kPage, kMiB, 2 * kMiB, 5 * kMiB};
  item.size = random_.one_in(8) ? random_.between(1, 8 * kMiB) : kSizes[random_.below(kSizes.size())];
  if (random_.one_in(3)) item.extra = static_cast<uint32_t>(random_.one_in(8) ? UINT32_MAX : random_.between(1, 4));
  if (random_.one_in(8)) item.flags |= kAllocZeroed;
  if (random_.one_in(8)) item.flags |= kAllocExecutable;
  if (item.flags == 0 && random_.one_in(8)) {
    // Few bytes of memory, many of addresses.
    item.flags |= kAllocHeap;
    item.size = random_.between(1, kLargestHeap);
  }
  return item;
}

void World::note(const std::string& what) {
  if (trace_ == nullptr) return;
  *trace_ << steps_ << "\t"
          << std::chrono::duration_cast<std::chrono::microseconds>(clock_.now().time_since_epoch()).count() << " us\t"
          << device_.bo_count() << " BOs\t" << what << "\n";
}

}  // namespace panbo::sim
