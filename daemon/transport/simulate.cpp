// Translates, and turns an errno into a sentence.

#include "daemon/transport/simulate.h"

#include <algorithm>
#include <limits>

namespace panbo {
namespace {

Result<void> run(SimControl& sim, const wire::SimulatedJob& job) {
  if (job.end()) return sim.end_job(job.inode());
  if (job.duration_ns() == 0) return sim.start_job(job.inode(), std::nullopt);
  const auto ns = std::min<uint64_t>(job.duration_ns(), std::numeric_limits<int64_t>::max());
  return sim.start_job(job.inode(), Duration(static_cast<int64_t>(ns)));
}

Result<void> run(SimControl& sim, const wire::Simulate& what) {
  switch (what.what_case()) {
    case wire::Simulate::kJob:
      return run(sim, what.job());
    case wire::Simulate::kFault:
      if (what.fault().error() <= 0) return Errno{EINVAL};
      return sim.fail_next(what.fault().call(), Errno{what.fault().error()}, what.fault().times());
    case wire::Simulate::kPurge:
      if (!what.purge()) break;
      return sim.purge();
    case wire::Simulate::kMemoryLimit:
      return sim.set_memory_limit(what.memory_limit());
    case wire::Simulate::WHAT_NOT_SET:
      break;
  }
  return Errno{EINVAL};
}

}  // namespace

std::optional<FailureReply> simulate(SimControl* sim, const wire::Simulate& what) {
  if (sim == nullptr) return FailureReply{FailureKind::kNotSupported, "only the simulated device can do this"};
  const auto result = run(*sim, what);
  if (result) return std::nullopt;
  if (result.error() == Errno{ENOENT})
    return FailureReply{FailureKind::kInvalidArgument, "no BO has this inode number"};
  return FailureReply{FailureKind::kInvalidArgument, "cannot be simulated: " + result.error().message()};
}

}  // namespace panbo
