// The table says which moves exist; everything else in the daemon moves a BO by asking here. One move deserves a word:
// Leased → Ready is a BO that no client ever received. It is idle and solely ours without looking.

#include "daemon/core/bo_state.h"

#include <array>
#include <cstdio>
#include <cstdlib>

namespace panbo {
namespace {

constexpr std::array<std::string_view, kBoStateCount> kNames = {"Creating", "Stocked", "Leased", "Draining",
                                                                "Held",     "Ready",   "Retired"};

constexpr std::array<std::array<bool, kBoStateCount>, kBoStateCount> kLegal = {{
    // Creating Stocked Leased Draining Held Ready Retired   to / from
    {{false, true, true, false, false, false, true}},    // Creating
    {{false, false, true, false, false, false, true}},   // Stocked
    {{false, false, false, true, false, true, true}},    // Leased
    {{false, false, false, false, true, true, true}},    // Draining
    {{false, false, false, false, false, true, true}},   // Held
    {{false, false, true, false, false, false, true}},   // Ready
    {{false, false, false, false, false, false, false}}  // Retired
}};

size_t index(BoState state) {
  return static_cast<size_t>(state);
}

}  // namespace

std::string_view to_string(BoState state) {
  return kNames[index(state)];
}

bool is_legal_move(BoState from, BoState to) {
  return kLegal[index(from)][index(to)];
}

void move_to(BoState& state, BoState to) {
  if (!is_legal_move(state, to)) {
    std::fprintf(stderr, "panbod: bug: a BO cannot go from %s to %s\n", to_string(state).data(), to_string(to).data());
    std::abort();
  }
  state = to;
}

}  // namespace panbo
