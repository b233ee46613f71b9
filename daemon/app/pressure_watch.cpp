// A source that fails or goes away is given up with one line in the log: headroom, which needs none of them, goes on.

#include "daemon/app/pressure_watch.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace panbo {
namespace {

constexpr const char* kPsiFile = "/proc/pressure/memory";
/// Of two seconds: some work stalled for a tenth of the time, all of it for a twentieth.
constexpr uint32_t kSomeStallUs = 200'000;
constexpr uint32_t kFullStallUs = 100'000;

}  // namespace

PressureWatch::PressureWatch(boost::asio::io_context& io, const std::string& cgroup,
                             std::function<void(Pressure)> on_pressure)
    : io_(io), on_pressure_(std::move(on_pressure)) {
  auto some = PsiTrigger::open(kPsiFile, Pressure::kSome, kSomeStallUs);
  const bool psi = some.ok();
  add(kPsiFile, std::move(some));
  if (psi) add(kPsiFile, PsiTrigger::open(kPsiFile, Pressure::kFull, kFullStallUs));
  if (!cgroup.empty()) add(cgroup + "/memory.events", CgroupMemoryEvents::open(cgroup));
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
    spdlog::warn("{} tells no more about memory pressure: {}", source.name(), event.error().message());
    return false;
  }
  if (*event) on_pressure_(**event);
  return true;
}

}  // namespace panbo
