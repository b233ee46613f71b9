// Where BOs come from that the client does not have yet: the daemon, or the caller's own DRM file.
#pragma once

#include <list>
#include <memory>
#include <span>

#include "client/lib/bo.h"
#include "client/lib/codec.h"
#include "client/lib/drm_file.h"
#include "proto/result.h"

namespace panbo {

struct Borrowed {
  /// One for each item, in their order.
  std::list<panbo_bo> granted;
  /// More, which came Unused. Each has a bin.
  std::list<panbo_bo> extras;
};

/// Asks the daemon. `bins`: where the BO of each item is to be kept; nullptr: nowhere. `drm`: where to import; nullptr:
/// nowhere. Nothing is left of what fails. Errors: those of panbo_bo_alloc(), ENOTCONN among them. May throw
/// std::bad_alloc before the daemon is asked.
Result<Borrowed> borrow(Client& owner, const std::shared_ptr<Session>& session, std::span<const codec::AllocItem> items,
                        std::span<LocalBin* const> bins, uint64_t timeout_ns, DrmFile* drm);

/// Makes the BOs, without a lease. Errors: those of DrmFile::create_bo(). May throw std::bad_alloc.
Result<std::list<panbo_bo>> create_direct(Client& owner, std::span<const codec::AllocItem> items, DrmFile& drm);

}  // namespace panbo
