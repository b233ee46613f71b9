#include "tests/replay/scene.h"

#include <algorithm>
#include <unordered_map>

namespace panbo::replay {

uint32_t Scene::arrive(Duration at, const std::string& name) {
  events_.push_back({.at = at, .client = ++clients_, .what = Arrive{.name = name, .uid = kUser}});
  return clients_;
}

void Scene::depart(Duration at, uint32_t client) {
  events_.push_back({.at = at, .client = client, .what = Depart{}});
}

SceneBo Scene::alloc(Duration at, uint32_t client, uint64_t size, uint32_t flags) {
  events_.push_back({.at = at, .client = client, .what = Alloc{.bo = ++bos_, .size = size, .flags = flags}});
  return {.client = client, .number = bos_};
}

void Scene::release(Duration at, const SceneBo& bo, Duration job) {
  const bool busy = job > Duration{};
  events_.push_back({.at = at, .client = bo.client, .what = Release{.bo = bo.number, .busy = busy}});
  if (busy) events_.push_back({.at = at + job, .client = bo.client, .what = Idle{bo.number}});
}

// BOs are numbered anew, since a trace has their numbers in the order of their allocation.
std::vector<Event> Scene::take_events() {
  std::stable_sort(events_.begin(), events_.end(), [](const Event& a, const Event& b) { return a.at < b.at; });
  std::unordered_map<uint64_t, uint64_t> numbers;
  for (Event& event : events_) {
    if (auto* alloc = std::get_if<Alloc>(&event.what)) {
      alloc->bo = numbers.emplace(alloc->bo, numbers.size() + 1).first->second;
    } else if (auto* release = std::get_if<Release>(&event.what)) {
      release->bo = numbers.at(release->bo);
    } else if (auto* idle = std::get_if<Idle>(&event.what)) {
      idle->bo = numbers.at(idle->bo);
    }
  }
  return std::move(events_);
}

}  // namespace panbo::replay
