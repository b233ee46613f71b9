// What the kernel says by itself about memory that is short. Each source is optional: a kernel can be built or booted
// without it, and a sandbox can hide it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "daemon/service/messages.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo {

/// An fd that polls with POLLPRI when there is something to know.
class PressureSource {
 public:
  virtual ~PressureSource() = default;

  /// For messages: the file's path.
  [[nodiscard]] virtual const std::string& name() const = 0;
  /// Borrowed.
  [[nodiscard]] virtual int fd() const = 0;
  /// What the event means; nothing: it is not about us. Called once after each event.
  /// Errors: the source is gone for good (its cgroup was removed, say), and must not be polled again.
  virtual Result<std::optional<Pressure>> read_event() = 0;
};

/// A trigger of /proc/pressure/memory: tells when tasks waited for memory for at least `stall_us` within any window of
/// two seconds, the shortest that needs no privilege (docs/kernel-facts.md).
class PsiTrigger : public PressureSource {
 public:
  /// Errors: ENOENT, EOPNOTSUPP the kernel has or uses no PSI; EPERM, EACCES not allowed.
  static Result<PsiTrigger> open(const std::string& path, Pressure pressure, uint32_t stall_us);

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] int fd() const override { return fd_.get(); }
  Result<std::optional<Pressure>> read_event() override;

 private:
  PsiTrigger(std::string name, UniqueFd fd, Pressure pressure)
      : name_(std::move(name)), fd_(std::move(fd)), pressure_(pressure) {}

  std::string name_;
  UniqueFd fd_;
  Pressure pressure_;
};

/// memory.events of the service's own cgroup: it reached memory.high (some), or memory.max (full).
class CgroupMemoryEvents : public PressureSource {
 public:
  /// `cgroup`: its directory. Errors: ENOENT no memory controller there; EACCES.
  static Result<CgroupMemoryEvents> open(const std::string& cgroup);

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] int fd() const override { return fd_.get(); }
  Result<std::optional<Pressure>> read_event() override;

 private:
  struct Counts {
    uint64_t high = 0;
    uint64_t max = 0;
  };

  CgroupMemoryEvents(std::string name, UniqueFd fd) : name_(std::move(name)), fd_(std::move(fd)) {}
  Result<Counts> read() const;

  std::string name_;
  UniqueFd fd_;
  Counts seen_;
};

}  // namespace panbo
