#include "tests/replay/policies.h"

#include "tests/replay/mesa_freedreno.h"
#include "tests/replay/mesa_panfrost.h"

namespace panbo::replay {

std::unique_ptr<Policy> make_policy(std::string_view name, const Board& board) {
  if (name == "mesa-panfrost") return std::make_unique<MesaPanfrost>();
  if (name == "mesa-freedreno") return std::make_unique<MesaFreedreno>();
  return std::make_unique<PanboPolicy>(board);
}

}  // namespace panbo::replay
