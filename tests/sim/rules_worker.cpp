// What is being made counts as gone, and nothing is made for nobody.

#include "tests/sim/world.h"

namespace panbo::sim {
namespace {

/// What other programs took within this time may have come after the request was admitted.
constexpr Duration kUnderWay = std::chrono::seconds(5);

/// The daemon compares small BOs with the board's memory together, so it may be wrong by so much.
constexpr uint64_t kUnseen = uint64_t{1} << 20;

}  // namespace

void World::check_worker() {
  // Who goes takes back what it asked for in its user's turns.
  if (!gate_.idle()) return;
  if (worker_.pending() == 0) {
    purged_ = purged_bytes();
    quiet_at_ = clock_.now();
  }
  uint64_t wanted = options_.service.pool.stock.empty() ? 0 : 1;
  for (const auto& client : clients_) {
    for (const auto& [request, asked] : client->asked()) wanted += asked.items.size();
  }
  require(worker_.creations() <= wanted + (worker_.creates() ? 1 : 0), "nothing is made for nobody");
}

uint64_t World::purged_bytes() const {
  uint64_t purged = 0;
  for (const auto& [handle, bo] : device_.bos()) purged += bo.purged ? bo.size : 0;
  return purged;
}

void World::purge() {
  const uint64_t before = purged_bytes();
  device_.purge();
  purged_ += purged_bytes() - before;
}

void World::creation_asked() {
  if (!rules_.worker) return;
  const uint64_t gone =
      books(Count::kWhatIsComing).memory + board_.least_others_lately(clock_.now() - quiet_at_ + kUnderWay);
  if (gone <= board_.total() + kUnseen + purged_) return;
  throw Violation("no more is being made than there is memory for: " + std::to_string(worker_.creating()) +
                  " bytes are being made, " + std::to_string(worker_.destroying()) + " destroyed, " +
                  std::to_string(gone) + " of " + std::to_string(board_.total()) + " will be gone");
}

}  // namespace panbo::sim
