#include "daemon/transport/client_log.h"

#include <spdlog/spdlog.h>

#include "proto/printable.h"

namespace panbo {

std::string describe_client(ClientId client, std::string_view name, const Peer& peer) {
  return fmt::format("client {}{} (uid {}, pid {})", client.value, name.empty() ? "" : " " + in_quotes(name), peer.uid,
                     peer.pid);
}

void ClientLog::warn(uint32_t uid, const std::string& text, Time now) {
  std::erase_if(users_, [now](const auto& user) {
    const bool over = now - user.second.since >= kWindow;
    if (over && user.second.lines > kLines) {
      spdlog::warn("{} more warnings about clients of uid {} were left out", user.second.lines - kLines, user.first);
    }
    return over;
  });
  User& user = users_.try_emplace(uid, User{.since = now}).first->second;
  if (++user.lines <= kLines) spdlog::warn("{}", text);
}

}  // namespace panbo
