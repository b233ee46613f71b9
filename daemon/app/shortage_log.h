// The log's record of a request that got no memory.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "daemon/core/clock.h"
#include "daemon/service/service.h"
#include "daemon/transport/client_log.h"

namespace panbo {

class ShortageLog {
 public:
  /// Logs it, unless the user had one within the last second: a client that asks again and again must neither fill the
  /// log nor hide what others miss.
  void note(const Shortage& shortage, Time now, ClientLog& log);

 private:
  struct User {
    Time last;
    /// Since then.
    uint64_t suppressed = 0;
  };

  /// By uid.
  std::unordered_map<uint32_t, User> users_;
};

/// The record: who asked for what, what there is, and who holds most.
[[nodiscard]] std::string describe(const Shortage& shortage);

}  // namespace panbo
