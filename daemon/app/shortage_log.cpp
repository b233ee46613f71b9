// One line, so that it stays together in any log.

#include "daemon/app/shortage_log.h"

#include <spdlog/spdlog.h>

namespace panbo {
namespace {

constexpr Duration kPause = std::chrono::seconds(1);

std::string mib(uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

std::string describe(const ClientRow& client) {
  return fmt::format("client {} '{}' (uid {}, pid {})", client.id.value, client.name, client.peer.uid, client.peer.pid);
}

}  // namespace

std::string describe(const Shortage& shortage) {
  const Stats& stats = shortage.stats;
  std::string text =
      fmt::format("{} asked for {}: {}; leased {}, draining {}, held {}, ready {}", describe(shortage.client),
                  mib(shortage.asked_bytes), shortage.reason, mib(stats.leased.bytes), mib(stats.draining.bytes),
                  mib(stats.held.bytes), mib(stats.ready.bytes));
  if (shortage.available_bytes != UINT64_MAX) text += fmt::format(", available {}", mib(shortage.available_bytes));
  const char* lead = "; most is held by ";
  for (const ClientRow& holder : shortage.largest_holders) {
    text += fmt::format("{}{}: {}", lead, describe(holder), mib(holder.leased.bytes));
    lead = ", ";
  }
  return text;
}

void ShortageLog::note(const Shortage& shortage, Time now) {
  if (last_ != Time{} && now - last_ < kPause) {
    ++suppressed_;
    return;
  }
  if (suppressed_ > 0) spdlog::warn("{} more requests failed for want of memory", suppressed_);
  suppressed_ = 0;
  last_ = now;
  spdlog::warn("{}", describe(shortage));
}

}  // namespace panbo
