// What every test of docs/reliability.md starts and ends with: a daemon at rest, and the same daemon at rest again.
#pragma once

#include <vector>

#include "tests/faults/child.h"
#include "tests/integration/panbod_test.h"

namespace panbo {

/// A user who is nobody's.
constexpr uid_t kOtherUser = 12345;

class FaultsTest : public PanbodTest {
 protected:
  /// As many BOs as a user may have here: few enough to have them all.
  static constexpr uint64_t kQuotaOfBos = 1024;

  /// `settings` come after those quotas.
  explicit FaultsTest(const std::string& settings = "", std::function<void(const std::string&)> prepare = {});

  /// Expects that everybody is gone but those who were there at the start, and that the daemon has recovered.
  void TearDown() override;

  /// The device is well again, has memory, and nobody else is connected. "Recovered": the bystander is served; no
  /// leases are left, nor BOs that drain or are held; the whole quota of the user can be had by one client, and no
  /// more; fds and memory are what they were.
  void expect_recovered();

  // What the device does.
  void fail_next(const std::string& call, int error, uint32_t times = 1);
  void limit_memory(uint64_t bytes);
  void start_job(uint64_t inode);
  void end_job(uint64_t inode);

  /// Who is connected, the bystander included.
  std::vector<wire::Client> clients();
  void await_leased(uint64_t count);
  void await_ready(uint64_t count);
  void await_clients(size_t count);
  /// Other users may pass the directory of the sockets from then on.
  void let_others_in() const;
  /// Bytes of the daemon's memory that belong to nobody else.
  [[nodiscard]] uint64_t memory() const;

 private:
  /// How many BOs one client gets before a quota is in the way. All are given back when it returns.
  uint64_t take_all();

  uint64_t quiet_memory_ = 0;
};

wire::Envelope batch_of(size_t count, uint64_t size);
/// The first lease of a Granted.
wire::Grant grant_of(const FromDaemon& answer);
/// FAILURE_UNKNOWN if it is no Failure.
wire::FailureCode code_of(const FromDaemon& answer);
/// A number that /proc/PID/status has under this key.
uint64_t status_of(pid_t pid, const std::string& key);

/// Whether this build keeps what is freed, or counts it in other ways, so that memory cannot be compared.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

#define SKIP_UNLESS_ROOT()                                                              \
  do {                                                                                  \
    if (::geteuid() != 0) GTEST_SKIP() << "NOT TESTED: only root can do what it needs"; \
  } while (false)

}  // namespace panbo
