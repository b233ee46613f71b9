// One leased BO: what is behind the C handle.
#pragma once

#include <cstdint>
#include <list>
#include <memory>

#include "client/include/panbo.h"
#include "client/lib/backing.h"
#include "proto/lease_table.h"

namespace panbo {

class Client;
class Session;
struct LocalBin;

/// Those of an allocation's flags that say what a BO can be used for.
inline constexpr uint32_t kKindFlags = PANBO_BO_EXECUTABLE | PANBO_BO_HEAP;

}  // namespace panbo

struct panbo_bo {
  explicit panbo_bo(panbo::Client& owner) : client(owner) {}

  panbo::Client& client;
  /// Where the lease comes from. nullptr: there is none, the BO was made here.
  std::shared_ptr<panbo::Session> session;
  /// The daemon's name for the lease.
  uint64_t lease_id = 0;
  /// In bytes.
  uint64_t size = 0;
  /// PANBO_ORIGIN_*. 0: an extra one, which the program has not had yet.
  uint32_t origin = 0;
  /// kKindFlags.
  uint32_t kind = 0;
  /// Somebody else had it: set when it is released.
  bool shared = false;
  /// Its number in the recording, if there is one.
  uint64_t recorded = 0;
  panbo::Backing backing;
  /// The program's.
  void* user_data = nullptr;
  /// Itself, so that it can be moved from list to list without a search.
  std::list<panbo_bo>::iterator position;

  // For the local cache.

  /// Where it goes when it is not used. nullptr: nowhere, it cannot be kept.
  panbo::LocalBin* bin = nullptr;
  /// Its word in the lease table, and what it was when this client last looked or wrote. Set if `bin` is.
  panbo::LeaseWord* lease = nullptr;
  uint32_t word = 0;
  /// No job used it when it was kept.
  bool kept_idle = false;
  /// Since when it is kept; they are counted.
  uint64_t stay = 0;
};
