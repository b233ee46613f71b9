// One leased BO: what is behind the C handle.
#pragma once

#include <cstdint>
#include <list>

#include "client/lib/backing.h"

namespace panbo {

class Client;

}  // namespace panbo

struct panbo_bo {
  explicit panbo_bo(panbo::Client& owner) : client(owner) {}

  panbo::Client& client;
  /// The daemon's name for the lease.
  uint64_t lease_id = 0;
  /// In bytes.
  uint64_t size = 0;
  /// PANBO_ORIGIN_*.
  uint32_t origin = 0;
  /// What it can be used for: PANBO_BO_EXECUTABLE or PANBO_BO_HEAP.
  uint32_t kind = 0;
  /// Its number in the recording, if there is one.
  uint64_t recorded = 0;
  panbo::Backing backing;
  /// The program's.
  void* user_data = nullptr;
  /// Itself, so that it can be moved from list to list without a search.
  std::list<panbo_bo>::iterator position;
};
