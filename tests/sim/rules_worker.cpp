// What is being made counts as gone, and nothing is made for nobody.

#include "tests/sim/world.h"

namespace panbo::sim {
namespace {

/// The daemon compares small BOs with the board's memory together, so it may be wrong by so much.
constexpr uint64_t kUnseen = uint64_t{1} << 20;

}  // namespace

void World::check_worker() {
  uint64_t wanted = options_.service.pool.stock.empty() ? 0 : 1;
  for (const auto& client : clients_) {
    for (const auto& [request, asked] : client->asked()) wanted += asked.items.size();
  }
  require(worker_.creations() <= wanted + (worker_.creates() ? 1 : 0), "nothing is made for nobody");
  if (board_.others() > others_before_ && worker_.creations() > 0) others_rose_ = true;
  if (worker_.creations() == 0) others_rose_ = false;
  others_before_ = board_.others();
}

void World::creation_asked() {
  if (!rules_.worker || others_rose_ || board_.others() > others_before_) return;
  const uint64_t gone = books(Count::kWhatIsComing).memory + board_.others();
  require(gone <= board_.total() + kUnseen, "no more is being made than there is memory for");
}

}  // namespace panbo::sim
