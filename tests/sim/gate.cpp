#include "tests/sim/gate.h"

namespace panbo::sim {

Work Gate::so_far() const {
  return {.device_calls = device_.calls(),
          .looks = board_.looks(),
          .jobs = worker_.jobs(),
          .bytes_moved = device_.bytes_moved(),
          .table_pages = tables_.touched()};
}

Gate::Measure::Measure(Gate& gate, const char* what) : gate_(gate), what_(what) {
  if (gate_.depth_++ > 0) return;
  before_ = gate_.so_far();
  gate_.tables_.close();
}

Gate::Measure::~Measure() {
  if (--gate_.depth_ > 0) return;
  gate_.tables_.open();
  const Work after = gate_.so_far();
  const auto compare = [&](uint64_t Work::*cost, const char* of_what) {
    const uint64_t was = after.*cost - before_.*cost;
    if (was <= kMostWork.*cost || gate_.excess_) return;
    gate_.excess_ = std::string(what_) + ": " + std::to_string(was) + " " + of_what + ", at most " +
                    std::to_string(kMostWork.*cost);
  };
  compare(&Work::device_calls, "device calls");
  compare(&Work::looks, "looks at the board's memory");
  compare(&Work::jobs, "BOs handed to the worker");
  compare(&Work::bytes_moved, "bytes of BOs made and destroyed");
  compare(&Work::table_pages, "pages of lease tables touched");
}

}  // namespace panbo::sim
