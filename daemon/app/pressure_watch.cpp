// A source that fails or goes away is given up with one line in the log: headroom, which needs none of them, goes on.

#include "daemon/app/pressure_watch.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace panbo {
namespace {

/// Of two seconds: some work stalled for a tenth of the time, all of it for a twentieth.
constexpr uint32_t kSomeStallUs = 200'000;
constexpr uint32_t kFullStallUs = 100'000;

}  // namespace

PressureWatch::PressureWatch(boost::asio::io_context& io, const PressurePaths& paths,
                             std::function<void(Pressure)> on_pressure)
    : io_(io), on_pressure_(std::move(on_pressure)) {
  auto some = PsiTrigger::open(paths.psi, Pressure::kSome, kSomeStallUs);
  const bool psi = some.ok();
  add(paths.psi, std::move(some));
  if (psi) add(paths.psi, PsiTrigger::open(paths.psi, Pressure::kFull, kFullStallUs));
  if (!paths.cgroup.empty()) add(paths.cgroup + "/memory.events", CgroupMemoryEvents::open(paths.cgroup));
}

template <class Source>
void PressureWatch::add(const std::string& what, Result<Source> source) {
  if (!source) {
    spdlog::warn("{} tells nothing about memory pressure: {}", what, source.error().message());
    return;
  }
  Watched& watched = watched_.emplace_back();
  watched.source = std::make_unique<Source>(*std::move(source));
  watched.watch.emplace(io_, watched.source->fd(), FdWatch::Wait::wait_error,
                        [this, &watched] { return read(*watched.source); });
}

bool PressureWatch::read(PressureSource& source) {
  const auto event = source.read_event();
  if (!event) {
    if (gone_.insert(source.name()).second) {
      spdlog::warn("{} tells no more about memory pressure: {}", source.name(), event.error().message());
    }
    return false;
  }
  if (*event) on_pressure_(**event);
  return true;
}

}  // namespace panbo
