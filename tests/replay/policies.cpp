#include "tests/replay/policies.h"

#include "tests/replay/keep_all.h"
#include "tests/replay/mesa_freedreno.h"
#include "tests/replay/mesa_panfrost.h"

namespace panbo::replay {

std::unique_ptr<Policy> make_policy(std::string_view name, const Board& board) {
  if (name == "mesa-panfrost") return std::make_unique<MesaPanfrost>();
  if (name == "mesa-freedreno") return std::make_unique<MesaFreedreno>();
  if (name == kBound) return std::make_unique<KeepAll>();
  return std::make_unique<PanboPolicy>(board);
}

TraceResult play_to(const std::vector<std::string>& policies, const Trace& trace, const Board& board, size_t spans) {
  TraceResult result{.trace = trace.name, .recorder = trace.recorder};
  if (!trace.events.empty()) result.length = trace.events.back().at;
  for (const std::string& name : policies) {
    const auto policy = make_policy(name, board);
    result.policies.push_back({.policy = name, .played = play(trace, *policy, spans)});
  }
  return result;
}

}  // namespace panbo::replay
