// Nobody waits for what is there, and nobody is refused for want of what is there or on its way.
//
// Whether a request could be served is computed here from what the device has and what the clients know, not from what
// the service says: by the quotas, by the total budget, by the board's memory, and by the addresses of the arenas. What
// is ready or in stock counts as there, whoever had it.

#include <algorithm>

#include "daemon/service/alloc_flags.h"
#include "proto/size_class.h"
#include "tests/sim/world.h"

namespace panbo::sim {
namespace {

/// Within this time the daemon sees that other programs have given memory back.
constexpr Duration kSeesOthers = std::chrono::milliseconds(500);

/// A user who has less than this part of what there is has little.
constexpr uint64_t kLittle = 64;

/// No request may need more addresses in one arena than this, by its kind.
uint64_t largest_of(BoKind kind, uint64_t arena_size) {
  return kind == BoKind::kExecutable ? arena_size / 2 : arena_size;
}

bool has_room(const Cost& used, const Cost& cost, const Cost& quota) {
  return used.bytes + cost.bytes <= quota.bytes && used.addresses + cost.addresses <= quota.addresses &&
         used.bos + cost.bos <= quota.bos;
}

}  // namespace

Cost World::cost_of_items(const std::vector<AllocItem>& items) const {
  Cost sum;
  for (const AllocItem& item : items) {
    const BoKind kind = *kind_of_flags(item.flags);
    const uint64_t granule = kind == BoKind::kHeap ? kHeapGranule : device_.limits().page_size;
    const uint64_t size = std::min(size_class(item.size, granule), device_.limits().max_bo_size);
    sum += {.bytes = BoKey{.kind = kind, .size = size}.memory(), .addresses = size, .bos = 1};
  }
  return sum;
}

World::Books World::books(Count count) const {
  Books books;
  std::map<uint16_t, uint64_t> arenas;
  for (const auto& [handle, bo] : device_.bos()) {
    if (bo.evictable) continue;
    const bool destroyed = worker_.destroyed().contains(handle);
    if (destroyed && count == Count::kWhatIsComing) continue;
    const Cost cost{.bytes = BoKey{.kind = bo.kind, .size = bo.size}.memory(), .addresses = bo.size, .bos = 1};
    const auto known = facts_.find(handle);
    if (count == Count::kWhatIsComing && known != facts_.end() && !known->second.leased && !bo.busy &&
        bo.others + bo.imports == 0 && worker_.creations() == 0) {
      // It is held for all that the daemon knows, and solely ours if it looked.
      continue;
    }
    books.memory += bo.memory;
    arenas[bo.arena.value] += bo.size;
    if (destroyed) continue;
    books.budget += cost.bytes;
    if (known == facts_.end()) continue;
    books.users[known->second.data_of] += cost;
    books.clients[known->second.borrower] += cost;
  }
  books.memory += worker_.creating();
  books.budget += worker_.creating();
  books.addresses = options_.arena_size;
  if (device_.arenas() >= options_.arena_limit) {
    for (uint16_t arena = 0; arena < device_.arenas(); ++arena) {
      books.addresses = std::min(books.addresses, arenas[arena]);
    }
  } else {
    books.addresses = 0;
  }
  return books;
}

bool World::fits(const SimClient& client, const std::vector<AllocItem>& items, const Books& books,
                 uint64_t others) const {
  const Cost cost = cost_of_items(items);
  const auto used_by = [](const auto& map, auto key) {
    const auto found = map.find(key);
    return found == map.end() ? Cost{} : found->second;
  };
  if (!has_room(used_by(books.clients, client.id()), cost, options_.service.client_quota)) return false;
  if (!has_room(used_by(books.users, client.uid()), cost, options_.service.user_quota)) return false;
  if (books.budget + cost.bytes > options_.service.room.total_max) return false;
  if (books.memory + cost.bytes + others > board_.total()) return false;
  for (const AllocItem& item : items) {
    const BoKind kind = *kind_of_flags(item.flags);
    if (cost_of_items({item}).addresses > largest_of(kind, options_.arena_size)) return false;
  }
  // If all of them fit into one arena each finds room, wherever the others go.
  return books.addresses + cost.addresses <= options_.arena_size;
}

void World::check_waiting() {
  if (worker_.pending() > 0 || !gate_.idle() || !device_.create_failures.empty()) return;
  std::optional<Books> now;
  for (const auto& client : clients_) {
    for (const auto& [request, asked] : client->asked()) {
      if (asked.excused) continue;
      if (!now) now = books(Count::kWhatIsThere);
      require(!fits(*client, asked.items, *now, board_.others_lately(kSeesOthers)), "nobody waits for what is there");
    }
  }
}

void World::refused(const SimClient& client, const SimClient::Asked& asked, FailureKind kind) {
  if (kind != FailureKind::kOutOfMemory && kind != FailureKind::kOverQuota && kind != FailureKind::kTimedOut) return;
  if (asked.excused || !device_.create_failures.empty()) return;
  size_t of_user = 0;
  for (const auto& other : clients_) {
    if (other->uid() == client.uid()) of_user += other->open_requests();
  }
  if (client.open_requests() > options_.service.client_quota.requests) return;
  if (of_user > options_.service.user_quota.requests) return;
  if (rules_.waiting && worker_.creations() == 0) {
    require(!fits(client, asked.items, books(Count::kWhatIsComing), board_.others_lately(kSeesOthers)),
            "nobody is refused for want of what is there or on its way");
  }
  if (rules_.fairness && client.open_requests() == 1 && worker_.creations() == 0) {
    Books alone = books(Count::kWhatIsThere);
    const uint64_t has = alone.users[client.uid()].bytes;
    const uint64_t most = std::min(options_.service.room.total_max, board_.total() - board_.others());
    alone.budget = alone.memory = has;
    require(has + cost_of_items(asked.items).bytes > most / kLittle ||
                !fits(client, asked.items, alone, board_.others_lately(kSeesOthers)),
            "nobody who has little is refused for what others have");
  }
}

}  // namespace panbo::sim
