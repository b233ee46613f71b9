// Where a synthetic trace is put together: programs say what they do when, in any order, and the scene sorts it.
#pragma once

#include <string>

#include "tests/replay/trace.h"

namespace panbo::replay {

/// The clients' user.
inline constexpr uint32_t kUser = 1000;

/// A BO of a scene, from alloc() to release().
struct SceneBo {
  uint32_t client = 0;
  uint64_t number = 0;
};

class Scene {
 public:
  [[nodiscard]] uint32_t arrive(Duration at, const std::string& name);
  void depart(Duration at, uint32_t client);
  [[nodiscard]] SceneBo alloc(Duration at, uint32_t client, uint64_t size, uint32_t flags = 0);
  /// A job uses it for so long after the release; zero: none does.
  void release(Duration at, const SceneBo& bo, Duration job);

  /// All of it, in the order of time; what was said first comes first where times are equal.
  [[nodiscard]] std::vector<Event> take_events();

 private:
  std::vector<Event> events_;
  uint32_t clients_ = 0;
  uint64_t bos_ = 0;
};

}  // namespace panbo::replay
