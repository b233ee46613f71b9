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
  /// Whether the next record of that user may be logged: at most one in a second, since a client that asks again and again
  /// must neither fill the log nor hide what others miss. If not, it is counted.
  [[nodiscard]] bool wants(uint32_t uid, Time now);
  /// Logs a record for which wants() was true, and before it how many were left out.
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
