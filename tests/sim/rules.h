// The rules that can be left out, to see which of them a run breaks.
#pragma once

namespace panbo::sim {

struct Rules {
  /// Nobody waits for what is there, and nobody is refused for want of what is there or on its way.
  bool waiting = true;
  /// No call costs more than a constant.
  bool work = true;
  /// Nothing is asked of the worker that there is no memory for, or that nobody waits for.
  bool worker = true;
  /// Nobody is punished for what another user has or does.
  bool fairness = true;
};

}  // namespace panbo::sim
