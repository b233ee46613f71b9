// The names are those of panbo.proto, where they are a string so that an older panboctl can name newer calls.

#include "daemon/device/sim_faults.h"

#include <utility>

namespace panbo {

std::optional<SimCall> sim_call_named(std::string_view name) {
  static constexpr std::pair<std::string_view, SimCall> kNames[] = {
      {"create", SimCall::kCreate},           {"export", SimCall::kExport}, {"evictable", SimCall::kEvictable},
      {"unevictable", SimCall::kUnevictable}, {"watch", SimCall::kWatch},
  };
  for (const auto& [known, call] : kNames) {
    if (known == name) return call;
  }
  return std::nullopt;
}

}  // namespace panbo
