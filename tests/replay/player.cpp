// Between two events the policy gets the ticks that it asked for, each at its time. After the last event there are only
// ticks: that is the idle system.

#include "tests/replay/player.h"

#include <set>

#include "tests/replay/meter.h"

namespace panbo::replay {
namespace {

double ratio(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

class Player {
 public:
  Player(const Trace& trace, Policy& policy, size_t spans)
      : trace_(trace),
        policy_(policy),
        activity_(trace.events.empty() ? Duration{} : trace.events.back().at),
        meter_(activity_, activity_ + kIdleTail, spans) {}

  Played play() {
    for (const Event& event : trace_.events) {
      tick_until(event.at);
      std::visit([&](const auto& what) { happens(event, what); }, event.what);
      meter_.set(policy_.cached_bytes(), event.at);
    }
    tick_until(activity_ + kIdleTail);
    Played played{.metrics = metrics_};
    meter_.finish(played.metrics, played.curve);
    return played;
  }

 private:
  void tick_until(Duration time) {
    for (auto next = policy_.next_deadline(); next && *next <= time; next = policy_.next_deadline()) {
      now_ = std::max(now_, *next);
      policy_.tick(now_);
      meter_.set(policy_.cached_bytes(), now_);
    }
    now_ = time;
  }

  void happens(const Event& event, const Arrive& arrive) { policy_.arrive(event.client, arrive, event.at); }
  void happens(const Event& event, const Depart& /*depart*/) { policy_.depart(event.client, event.at); }
  void happens(const Event& event, const Alloc& alloc) {
    const Served served = policy_.alloc(event.client, alloc, event.at);
    ++metrics_.requests;
    metrics_.hits += served.hit;
    if (served.size == 0) {
      ++metrics_.failed;
      failed_.insert(alloc.bo);
    } else {
      metrics_.asked_bytes += alloc.size;
      metrics_.given_bytes += served.size;
    }
  }
  void happens(const Event& event, const Release& release) {
    if (!failed_.contains(release.bo)) policy_.release(event.client, release, event.at);
  }
  void happens(const Event& event, const Idle& idle) {
    if (failed_.erase(idle.bo) == 0) policy_.idle(idle.bo, event.at);
  }

  const Trace& trace_;
  Policy& policy_;
  const Duration activity_;
  Duration now_{};
  Meter meter_;
  Metrics metrics_;
  std::set<uint64_t> failed_;
};

}  // namespace

double Metrics::hit_rate() const {
  return ratio(hits, requests);
}

double Metrics::waste() const {
  return ratio(given_bytes - asked_bytes, asked_bytes);
}

Played play(const Trace& trace, Policy& policy, size_t spans) {
  return Player(trace, policy, spans).play();
}

}  // namespace panbo::replay
