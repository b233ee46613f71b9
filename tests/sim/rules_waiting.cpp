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

/// Within this time the daemon sees what is there.
constexpr Duration kSees = std::chrono::milliseconds(5);
/// Within this time it asks the kernel again.
constexpr Duration kTriesAgain = std::chrono::milliseconds(250);
/// And within this time that other programs have given memory back.
constexpr Duration kSeesOthers = std::chrono::milliseconds(500);

/// So long after the last reference went it is worth another look; and so few BOs are looked at for one request.
constexpr Duration kSeesLetGo = std::chrono::milliseconds(150);
constexpr size_t kFewHeld = 32;

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
    // It is held for all that the daemon knows, and solely ours if it looked.
    const bool let_go = bo.watched && !bo.busy && bo.others + bo.imports == 0 && known != facts_.end() &&
                        clock_.now() - known->second.let_go_at >= kSeesLetGo && device_.watched() <= kFewHeld;
    if (count == Count::kWhatIsComing && let_go) continue;
    books.memory += bo.memory;
    arenas[bo.arena.value] += bo.size;
    if (destroyed) continue;
    books.budget += cost.bytes;
    if (known == facts_.end()) continue;
    books.sharers.insert(known->second.data_of);
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

// Beyond the last share whoever comes first has it; of the last share each user has a part.
bool World::shares(const Books& books, uint32_t uid, const Cost& cost, uint64_t Cost::*resource) const {
  const uint64_t limit = options_.service.board_quota.*resource;
  const uint64_t share = options_.service.board_last_share.*resource;
  uint64_t used = 0;
  uint64_t used_by_user = 0;
  for (const auto& [user, has] : books.users) {
    used += has.*resource;
    if (user == uid) used_by_user = has.*resource;
  }
  used = std::max(used, books.charged.*resource);
  const uint64_t wanted = cost.*resource;
  if (limit - std::min(limit, used) < wanted) return false;
  if (limit - share >= used && limit - share - used >= wanted) return true;
  return used_by_user + wanted <= part_of(share, books);
}

uint64_t World::part_of(uint64_t share, const Books& books) {
  return share / (books.sharers.size() + 2);
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
  if (!shares(books, client.uid(), cost, &Cost::bytes)) return false;
  if (!shares(books, client.uid(), cost, &Cost::addresses)) return false;
  if (books.budget + cost.bytes > options_.service.room.total_max) return false;
  if (books.memory + cost.bytes + others > board_.total()) return false;
  for (const AllocItem& item : items) {
    const BoKind kind = *kind_of_flags(item.flags);
    if (cost_of_items({item}).addresses > largest_of(kind, options_.arena_size)) return false;
  }
  // If all of them fit into one arena each finds room, wherever the others go.
  return books.addresses + cost.addresses <= options_.arena_size;
}

std::string World::describe(const SimClient& client, const std::vector<AllocItem>& items, Books books) const {
  const auto amounts = [](const char* of, const Cost& cost) {
    return std::string(of) + " " + std::to_string(cost.bytes) + " bytes, " + std::to_string(cost.addresses) +
           " addresses, " + std::to_string(cost.bos) + " BOs; ";
  };
  return "client " + std::to_string(client.id().value) + " of uid " + std::to_string(client.uid()) + "; " +
         amounts("asks for", cost_of_items(items)) + amounts("has", books.clients[client.id()]) +
         amounts("its quota", options_.service.client_quota) + amounts("its user has", books.users[client.uid()]) +
         amounts("its user's quota", options_.service.user_quota) + "of the budget " + std::to_string(books.budget) +
         " of " + std::to_string(options_.service.room.total_max) + " are in use, of the memory " +
         std::to_string(books.memory) + " of " + std::to_string(board_.total()) + ", others have " +
         std::to_string(board_.others());
}

std::optional<std::string> World::waits_for_what_is_there() const {
  if (worker_.pending() > 0 || !gate_.idle() || !device_.create_failures.empty()) return std::nullopt;
  std::optional<Books> now;
  for (const auto& client : clients_) {
    for (const auto& [request, asked] : client->asked()) {
      if (asked.excused) continue;
      if (!now) now = books(Count::kWhatIsThere);
      if (fits(*client, asked.items, *now, board_.others_lately(kSeesOthers))) {
        return describe(*client, asked.items, *now);
      }
    }
  }
  return std::nullopt;
}

void World::check_waiting() {
  before_ = books(Count::kWhatIsComing);
  if (!waits_for_what_is_there()) return;
  // The daemon may see it a moment later, if nothing else happens.
  pass(kSees);
  // A request that the kernel itself refused is tried again ever more seldom.
  if (waits_for_what_is_there() && device_.refusals() > 0) pass(kTriesAgain);
  const auto who = waits_for_what_is_there();
  if (who) throw Violation("nobody waits for what is there: " + *who);
}

void World::refused(const SimClient& client, const SimClient::Asked& asked, FailureKind kind) {
  if (kind != FailureKind::kOutOfMemory && kind != FailureKind::kOverQuota) return;
  // Those that have waited are looked at while they wait.
  if (clock_.now() - asked.at > kSees) return;
  if (asked.excused || !device_.create_failures.empty()) return;
  // There may have been no place for one more open request. Those of clients that have gone have theirs until they end.
  size_t of_user = gate_.account(client.id())->parent()->used().requests;
  for (const auto& other : clients_) {
    if (other->uid() == client.uid()) of_user += other->lately_open(kSees);
  }
  if (client.lately_open(kSees) > options_.service.client_quota.requests) return;
  if (of_user > options_.service.user_quota.requests) return;
  if (rules_.waiting) {
    Books all = books(Count::kWhatIsComing);
    add_promises(client, all);
    // What came back during this step may have come a moment too late.
    const bool was_there = before_ && fits(client, asked.items, *before_, board_.others_lately(kSeesOthers));
    if (was_there && fits(client, asked.items, all, board_.others_lately(kSeesOthers))) {
      throw Violation("nobody is refused for want of what is there or on its way: " +
                      describe(client, asked.items, all));
    }
  }
  const uint64_t share = options_.service.board_last_share.bytes;
  if (rules_.fairness && board_.total() - board_.others_lately(kSeesOthers) >= options_.service.room.total_max) {
    Books all = books(Count::kWhatIsThere);
    add_promises(client, all);
    const uint64_t has = all.users[client.uid()].bytes;
    const bool little = has + cost_of_items(asked.items).bytes <= part_of(share, all);
    all.budget = all.memory = has;
    require(!little || !fits(client, asked.items, all, board_.others_lately(kSeesOthers)),
            "nobody who has little is refused for what others have");
  }
}

// What requests that are under way were promised only the daemon knows: it is charged to them. Here it counts as gone
// for everybody.
void World::add_promises(const SimClient& client, Books& books) const {
  Cost promised;
  for (const auto& [uid, observer] : observers_) promised += gate_.account(observer->id())->parent()->used();
  books.charged = promised;
  const Books now = this->books(Count::kWhatIsThere);
  for (const auto& [uid, has] : now.users) {
    promised.bytes -= std::min(promised.bytes, has.bytes);
    promised.addresses -= std::min(promised.addresses, has.addresses);
    promised.bos -= std::min(promised.bos, has.bos);
  }
  promised.requests = 0;
  const auto at_least = [&promised](Cost& has, const Cost& charged) {
    has += promised;
    has.bytes = std::max(has.bytes, charged.bytes);
    has.addresses = std::max(has.addresses, charged.addresses);
    has.bos = std::max(has.bos, charged.bos);
  };
  at_least(books.users[client.uid()], gate_.account(client.id())->parent()->used());
  at_least(books.clients[client.id()], gate_.account(client.id())->used());
  books.budget += promised.bytes;
  books.memory += promised.bytes;
  books.addresses += promised.addresses;
}

}  // namespace panbo::sim
