// Clients that mean harm, or act as if they did. Whatever they do, all rules hold for the others.

#include "daemon/service/alloc_flags.h"
#include "tests/sim/random_run.h"

namespace panbo::sim {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint32_t kFirstUid = 1001;

std::vector<AllocItem> many(size_t count, uint64_t size, uint32_t flags = 0) {
  return std::vector<AllocItem>(count, AllocItem{.size = size, .flags = flags});
}

}  // namespace

void RandomRun::flood() {
  SimClient* client = some_client();
  if (client == nullptr) return;
  note("a client floods");
  for (uint64_t n = random_.between(2, 8); n > 0; --n) {
    client->alloc(some_items(), std::chrono::milliseconds(random_.below(500)));
  }
}

void RandomRun::wait_without_end() {
  SimClient* client = some_client();
  if (client == nullptr) return;
  note("a client waits without end");
  client->alloc(some_items(), Duration::max());
}

void RandomRun::ask_and_go() {
  note("clients connect, ask and go");
  for (uint64_t n = random_.between(1, 4); n > 0; --n) {
    SimClient& client = join(static_cast<uint32_t>(random_.between(kFirstUid, kFirstUid + 2)));
    client.hello(random_.one_in(2));
    client.alloc(some_items(), random_.one_in(2) ? Duration::zero() : Duration::max());
    forget(&client);
  }
}

void RandomRun::ask_what_never_fits() {
  SimClient* client = some_client();
  if (client == nullptr) return;
  note("a client asks for what can never be had");
  const Duration timeout = random_.one_in(2) ? Duration::zero() : Duration::max();
  if (random_.one_in(2)) {
    client->alloc(many(1, options_.arena_size / 2 + kPage, kAllocExecutable), timeout);
  } else {
    client->alloc(many(random_.between(8, 64), options_.arena_size / random_.between(1, 8)), timeout);
  }
}

void RandomRun::toggle() {
  SimClient* client = some_client();
  if (client == nullptr) return;
  note("a client frees and allocates, and says so each time");
  for (uint64_t n = random_.between(1, 16); n > 0; --n) {
    static_cast<void>(client->free_locally(random_));
    client->say_unused_anyway();
    static_cast<void>(client->use_locally(random_));
  }
}

void RandomRun::hoard() {
  SimClient* client = some_client();
  if (client == nullptr || !hoards_) return;
  note("a client hoards");
  for (uint64_t n = random_.between(1, 32); n > 0; --n) {
    client->alloc(many(64, kPage), Duration::zero());
  }
  const bool keeps = random_.one_in(2);
  if (keeps) {
    for (const SimClient::Lease& lease : client->leases()) ++device_.bo(lease.handle).others;
  }
  if (random_.one_in(2)) client->release_all();
}

}  // namespace panbo::sim
