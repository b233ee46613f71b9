// Both files report by POLLPRI. They differ in what POLLERR means: for PSI it means that the trigger is gone, while
// kernfs sets it together with POLLPRI for every event of a cgroup's file, and only reading tells whether the cgroup
// still exists.

#include "daemon/app/pressure_source.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

namespace panbo {
namespace {

uint64_t count_of(std::string_view text, std::string_view key) {
  const size_t at = text.find(key);
  uint64_t value = 0;
  if (at != std::string_view::npos) std::from_chars(text.data() + at + key.size(), text.data() + text.size(), value);
  return value;
}

}  // namespace

Result<PsiTrigger> PsiTrigger::open(const std::string& path, Pressure pressure, uint32_t stall_us) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) return Errno::last();
  const std::string trigger =
      std::string(pressure == Pressure::kSome ? "some " : "full ") + std::to_string(stall_us) + " 2000000";
  // The kernel wants the terminating zero, too.
  if (::write(fd.get(), trigger.c_str(), trigger.size() + 1) < 0) return Errno::last();
  return PsiTrigger(path, std::move(fd), pressure);
}

Result<std::optional<Pressure>> PsiTrigger::read_event() {
  pollfd p{.fd = fd_.get(), .events = POLLPRI, .revents = 0};
  if (::poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLNVAL)) != 0) return Errno{ENODEV};
  return std::optional(pressure_);
}

Result<CgroupMemoryEvents> CgroupMemoryEvents::open(const std::string& cgroup) {
  const std::string path = cgroup + "/memory.events";
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return Errno::last();
  CgroupMemoryEvents events(path, std::move(fd));
  const auto counts = events.read();
  if (!counts) return counts.error();
  events.seen_ = *counts;
  return events;
}

Result<std::optional<Pressure>> CgroupMemoryEvents::read_event() {
  const auto counts = read();
  if (!counts) return counts.error();
  std::optional<Pressure> pressure;
  if (counts->high > seen_.high) pressure = Pressure::kSome;
  if (counts->max > seen_.max) pressure = Pressure::kFull;
  seen_ = *counts;
  return pressure;
}

Result<CgroupMemoryEvents::Counts> CgroupMemoryEvents::read() const {
  std::array<char, 256> text;
  const ssize_t n = ::pread(fd_.get(), text.data(), text.size(), 0);
  if (n < 0) return Errno::last();
  const std::string_view lines(text.data(), static_cast<size_t>(n));
  return Counts{.high = count_of(lines, "\nhigh "), .max = count_of(lines, "\nmax ")};
}

}  // namespace panbo
