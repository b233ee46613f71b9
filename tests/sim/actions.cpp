// What can happen in a run, one after the other.

#include <array>

#include "daemon/service/alloc_flags.h"
#include "tests/sim/random_run.h"

namespace panbo::sim {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kLargestHeap = 64 * kMiB;
constexpr size_t kMaxClients = 8;
constexpr uint32_t kFirstUid = 1001;
constexpr uint32_t kLastUid = 1003;

}  // namespace

void RandomRun::come() {
  if (clients_.size() >= kMaxClients) return;
  const auto uid = static_cast<uint32_t>(random_.between(kFirstUid, kLastUid));
  note("a client of uid " + std::to_string(uid) + " joins");
  SimClient& client = join(uid);
  client.stopped = random_.one_in(10);
  if (!random_.one_in(20)) client.hello(!random_.one_in(4));
}

void RandomRun::leave() {
  if (clients_.empty()) return;
  note("a client leaves, with whatever it has");
  forget(some_client());
}

void RandomRun::misbehave() {
  SimClient* client = some_client();
  if (client == nullptr) return;
  note("a client breaks the protocol or names a lease that is not its own");
  if (random_.one_in(4)) {
    client->hello(random_.one_in(2));
  } else if (random_.one_in(4)) {
    client->say_unused_anyway();
  } else {
    const auto lease = some_lease();
    const bool of_another = lease && lease->first != client;
    client->release_wrong(of_another ? lease->first->leases()[lease->second].id : LeaseId{UINT64_MAX});
  }
}

void RandomRun::alloc() {
  SimClient* client = some_client();
  if (client == nullptr) return;
  std::vector<AllocItem> items = some_items();
  const Duration timeout =
      random_.one_in(3) ? Duration(std::chrono::milliseconds(random_.between(1, 500))) : Duration::zero();
  note("an allocation of " + std::to_string(items.size()) + " from " + std::to_string(items[0].size) + " bytes");
  client->alloc(std::move(items), timeout);
}

void RandomRun::release() {
  if (const auto lease = some_lease()) {
    note("a release");
    lease->first->release(lease->second);
  }
}

void RandomRun::start_job() {
  if (const auto lease = some_lease()) {
    note("a job starts on a leased BO");
    device_.bo(lease->first->leases()[lease->second].handle).busy = true;
  }
}

void RandomRun::end_job() {
  if (const auto handle = some_bo([](const FakeDevice::FakeBo& bo) { return bo.busy; })) {
    note("a job ends");
    finish_job(*handle);
  }
}

void RandomRun::keep_reference() {
  if (const auto lease = some_lease()) {
    note("a client keeps a reference of its own");
    FakeDevice::FakeBo& bo = device_.bo(lease->first->leases()[lease->second].handle);
    ++(random_.one_in(2) ? bo.others : bo.imports);
  }
}

void RandomRun::drop_reference() {
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
  facts_[*handle].let_go_at = clock_.now();
}

void RandomRun::free_locally() {
  SimClient* client = some_client();
  if (client == nullptr || !client->free_locally(random_)) return;
  note("a client frees, and tells nobody");
}

void RandomRun::use_locally() {
  SimClient* client = some_client();
  if (client == nullptr || !client->use_locally(random_)) return;
  note("a client allocates what it has");
}

void RandomRun::scribble() {
  SimClient* client = some_client();
  if (client == nullptr || !random_.one_in(4) || !client->scribble(random_)) return;
  note("a client writes nonsense");
}

void RandomRun::say_unused() {
  if (SimClient* client = some_client()) client->say_unused();
}

void RandomRun::answer_bell() {
  if (SimClient* client = some_client()) client->answer_bell();
}

void RandomRun::turns() {
  note("some turns");
  for (uint64_t n = random_.between(1, 4); n > 0 && !gate_.idle(); --n) run_turn();
}

void RandomRun::device_works() {
  note("the device worker does half a job");
  worker_.work();
}

void RandomRun::device_fails() {
  static constexpr std::array kErrors = {ENOMEM, ENOSPC, EIO, EMFILE};
  const Errno error{kErrors[random_.below(kErrors.size())]};
  const std::array queues = {&device_.create_failures, &device_.watch_failures, &device_.holders_failures,
                             &device_.evictable_failures, &device_.unevictable_failures};
  // Mostly creation, where the errors differ in what follows.
  auto* queue = random_.one_in(2) ? queues[0] : queues[random_.below(queues.size())];
  note("a device call is going to fail: " + error.message());
  queue->assign(random_.between(1, 3), error);
  if (queue != queues[0] || !says_that_nothing_is_there(error)) return;
  for (const auto& client : clients_) client->excuse();
}

void RandomRun::kernel_purges() {
  note("the kernel takes what is evictable");
  purge();
}

void RandomRun::others_change() {
  note("other programs take memory, or give it back");
  board_.set_others(random_.one_in(2) ? 0 : random_.below(board_.total()));
}

void RandomRun::pressure() {
  note("memory pressure");
  gate_.on_pressure(random_.one_in(2) ? Pressure::kSome : Pressure::kFull);
}

void RandomRun::admin_evicts() {
  note("an administrator evicts");
  switch (random_.below(3)) {
    case 0:
      gate_.handle_admin(EvictAll{});
      break;
    case 1:
      gate_.handle_admin(EvictBytes{random_.below(16 * kMiB)});
      break;
    default:
      gate_.handle_admin(EvictUid{static_cast<uint32_t>(random_.between(kFirstUid, kLastUid))});
  }
}

void RandomRun::time_passes() {
  note("time passes");
  pass(std::chrono::microseconds(random_.below(random_.one_in(4) ? 4'000'000 : 40'000)));
}

std::optional<std::pair<SimClient*, size_t>> RandomRun::some_lease() {
  SimClient* client = some_client();
  if (client == nullptr || client->leases().empty()) return std::nullopt;
  return std::pair(client, random_.below(client->leases().size()));
}

template <class Predicate>
std::optional<uint32_t> RandomRun::some_bo(Predicate matches) {
  std::vector<uint32_t> handles;
  for (const auto& [handle, bo] : device_.bos()) {
    if (matches(bo)) handles.push_back(handle);
  }
  if (handles.empty()) return std::nullopt;
  return handles[random_.below(handles.size())];
}

SimClient* RandomRun::some_client() {
  return clients_.empty() ? nullptr : clients_[random_.below(clients_.size())].get();
}

std::vector<AllocItem> RandomRun::some_items() {
  std::vector<AllocItem> items;
  for (uint64_t n = random_.one_in(4) ? random_.between(2, 5) : 1; n > 0; --n) items.push_back(some_item());
  return items;
}

AllocItem RandomRun::some_item() {
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

}  // namespace panbo::sim
