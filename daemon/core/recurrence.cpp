// A run is a key's asks without a pause of the decay time. The average is over the run, and not from one ask to the
// next: a program that draws in bursts recurs through its pauses, and one that asks for the same size eight times in a
// tenth of a second, and again when its window is dragged back some seconds later, does not.
//
// Runs that are over stay until there are twice as many as were left the last time, so what is remembered is never more
// than about twice the keys of the last decay time.

#include "daemon/core/recurrence.h"

#include <algorithm>

namespace panbo {

void Recurrence::ask(const BoKey& key, Time now) {
  const auto [found, is_new] = runs_.try_emplace(key, Run{.first = now, .last = now});
  Run& run = found->second;
  if (over(run, now)) run = {.first = now};
  run.last = now;
  ++run.asks;
  if (!is_new || runs_.size() < tidy_at_) return;
  std::erase_if(runs_, [&](const auto& entry) { return over(entry.second, now); });
  tidy_at_ = std::max<size_t>(64, 2 * runs_.size());
}

bool Recurrence::recurs(const BoKey& key, Time now) const {
  const auto found = runs_.find(key);
  if (found == runs_.end() || over(found->second, now)) return false;
  const Run& run = found->second;
  const Duration length = run.last - run.first;
  return length >= decay_time_ / 20 && length < run.asks * (decay_time_ / 10);
}

}  // namespace panbo
