// A service's long works, done to their end, as the daemon's loop does them in turns.
#pragma once

#include <algorithm>
#include <variant>

#include "daemon/service/service.h"

namespace panbo {

/// Every user has its turns until nothing is left to do.
inline void settle(Service& service) {
  while (!service.turns().idle()) service.run_turn();
}

/// The same, after a message of that client.
inline void settle(Service& service, ClientId client) {
  while (service.has_backlog(client)) service.work_off(client);
  settle(service);
}

/// All pieces of an eviction.
inline EvictedReply evict(Service& service, EvictRequest what) {
  EvictedReply done{.evicted = {}, .asked_back = {}, .more = true};
  while (done.more) {
    const auto piece = std::get<EvictedReply>(service.handle_admin(what));
    done += piece;
    if (auto* some = std::get_if<EvictBytes>(&what)) some->bytes -= std::min(some->bytes, piece.evicted.bytes);
  }
  settle(service);
  return done;
}

}  // namespace panbo
