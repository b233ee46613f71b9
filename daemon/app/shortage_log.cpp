// One line, so that it stays together in any log.

#include "daemon/app/shortage_log.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

namespace panbo {
namespace {

constexpr Duration kPause = std::chrono::seconds(1);

std::string mib(uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

std::string describe(const ClientRow& client) {
  return describe_client(client.id, client.name, client.peer);
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

bool ShortageLog::wants(uint32_t uid, Time now) {
  const auto user = users_.find(uid);
  if (user == users_.end() || now - user->second.last >= kPause) return true;
  ++user->second.suppressed;
  return false;
}

void ShortageLog::note(const Shortage& shortage, Time now, ClientLog& log) {
  const uint32_t uid = shortage.client.peer.uid;
  std::erase_if(users_, [&](const auto& user) {
    return user.first != uid && user.second.suppressed == 0 && now - user.second.last >= kPause;
  });
  const uint64_t suppressed = std::exchange(users_[uid], User{.last = now}).suppressed;
  if (suppressed > 0) {
    log.warn(uid, fmt::format("{} more requests of uid {} failed for want of memory", suppressed, uid), now);
  }
  log.warn(uid, describe(shortage), now);
}

}  // namespace panbo
