// Whatever may fail for want of memory is done before the daemon is asked. Once it has granted a lease, the lease
// belongs to a BO of the result or was given back.
//
// The daemon is believed, but checked: each fd must be the one that its grant describes, of the size that was asked
// for. The alternative to noticing a mix-up here is a GPU that writes into somebody else's BO.

#include "client/lib/sources.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "client/lib/bo_list.h"
#include "client/lib/session.h"
#include "proto/size_class.h"

namespace panbo {
namespace {

// What an unknown origin means for the contents nobody knows: as for a cached BO, anything may be in it.
uint32_t origin_of(const codec::Grant& grant) {
  const auto origin = static_cast<uint32_t>(grant.origin);
  return origin == PANBO_ORIGIN_FRESH || origin == PANBO_ORIGIN_WAITED ? origin : PANBO_ORIGIN_CACHED;
}

bool describes(const codec::Grant& grant, const UniqueFd& fd) {
  struct stat status;
  return ::fstat(fd.get(), &status) == 0 && status.st_ino == grant.inode &&
         static_cast<uint64_t>(status.st_size) == grant.size;
}

// One exchange with the daemon.
class Borrowing {
 public:
  Borrowing(const std::shared_ptr<Session>& session, std::span<const codec::AllocItem> items,
            std::span<LocalBin* const> bins, DrmFile* drm)
      : session_(session), items_(items), bins_(bins), drm_(drm) {}

  Result<void> fill(Borrowed& bos, const codec::Granted& granted, Answer& answer);

 private:
  Result<void> fill(panbo_bo& bo, const codec::Grant& grant, UniqueFd fd, size_t item);
  Result<void> fill_extras(std::list<panbo_bo>& extras, std::span<const codec::Grant> grants, ReceivedFds& fds);

  const std::shared_ptr<Session>& session_;
  const std::span<const codec::AllocItem> items_;
  const std::span<LocalBin* const> bins_;
  DrmFile* const drm_;
};

Result<void> Borrowing::fill(Borrowed& bos, const codec::Granted& granted, Answer& answer) {
  const size_t most = bos.granted.size() + bos.extras.size();
  if (answer.fds_lost) return Errno{EMFILE};
  if (granted.size() < items_.size() || granted.size() > most || answer.fds.count() != granted.size()) {
    return Errno{EPROTO};
  }
  size_t i = 0;
  for (panbo_bo& bo : bos.granted) {
    if (granted[i].extra_of != 0) return Errno{EPROTO};
    if (const auto filled = fill(bo, granted[i], answer.fds.take(i), i); !filled) return filled;
    bo.origin = origin_of(granted[i]);
    ++i;
  }
  return fill_extras(bos.extras, std::span(granted).subspan(i), answer.fds);
}

// One that cannot be taken is given back, and that is all: nobody needs it.
Result<void> Borrowing::fill_extras(std::list<panbo_bo>& extras, std::span<const codec::Grant> grants,
                                    ReceivedFds& fds) {
  for (const codec::Grant& grant : grants) {
    if (grant.extra_of == 0 || grant.extra_of > items_.size()) return Errno{EPROTO};
  }
  size_t fd = items_.size();
  auto bo = extras.begin();
  for (const codec::Grant& grant : grants) {
    if (fill(*bo, grant, fds.take(fd++), grant.extra_of - 1) && bo->bin != nullptr) {
      ++bo;
    } else {
      bo = extras.erase(bo);
      session_->release(std::span(&grant.lease_id, 1), false);
    }
  }
  extras.erase(bo, extras.end());
  return {};
}

Result<void> Borrowing::fill(panbo_bo& bo, const codec::Grant& grant, UniqueFd fd, size_t item) {
  if (!describes(grant, fd) || grant.size < items_[item].size) return Errno{EPROTO};
  if (drm_ == nullptr) {
    bo.backing.keep_fd(std::move(fd));
  } else if (const auto imported = bo.backing.import(*drm_, fd); !imported) {
    return imported;
  }
  bo.session = session_;
  bo.lease_id = grant.lease_id;
  bo.size = grant.size;
  bo.kind = items_[item].flags & kKindFlags;
  bo.lease = session_->table().lease(grant.slot);
  if (bo.lease == nullptr || bins_[item] == nullptr) return {};
  // Of another size than its class, it could not stand in for others of that.
  if (grant.size != size_class_of(bo.kind, items_[item].size, session_->page_size())) return {};
  bo.word = look_at_lease(*bo.lease);
  bo.bin = bins_[item];
  return {};
}

void give_back(Session& session, std::span<const codec::Grant> grants) {
  if (grants.empty()) return;
  std::array<uint64_t, limits::kMaxBatch> ids;
  std::ranges::transform(grants, ids.begin(), &codec::Grant::lease_id);
  session.release(std::span(ids).first(grants.size()), false);
}

}  // namespace

Result<Borrowed> borrow(Client& owner, const std::shared_ptr<Session>& session, std::span<const codec::AllocItem> items,
                        std::span<LocalBin* const> bins, uint64_t timeout_ns, DrmFile* drm) {
  size_t extras = 0;
  for (const codec::AllocItem& item : items) extras += item.extra;
  Borrowed bos{.granted = BoList::make(owner, items.size()), .extras = BoList::make(owner, extras)};

  codec::PacketBuffer request;
  codec::PacketBuffer buffer;
  Connection& connection = session->connection();
  const uint64_t id = connection.next_request_id();
  auto answer = connection.call(id, codec::encode_alloc(id, items, timeout_ns, request), buffer);
  if (!answer) return answer.error();
  const auto message = codec::decode(answer->packet);
  if (!message) return session->broken();
  if (const auto* failure = std::get_if<codec::Failure>(&message->body)) return errno_of(failure->code);
  const auto* granted = std::get_if<codec::Granted>(&message->body);
  if (granted == nullptr) return session->broken();

  const auto filled = Borrowing(session, items, bins, drm).fill(bos, *granted, *answer);
  if (filled) return bos;
  answer->fds.clear();
  bos = {};
  give_back(*session, *granted);
  return filled.error();
}

Result<std::list<panbo_bo>> create_direct(Client& owner, std::span<const codec::AllocItem> items, DrmFile& drm) {
  static const auto page_size = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  auto bos = BoList::make(owner, items.size());
  const codec::AllocItem* item = items.data();
  for (panbo_bo& bo : bos) {
    // Far below where rounding up overflows; the DRM file knows its own limit.
    if (item->size == 0 || item->size > UINT32_MAX) return Errno{EINVAL};
    const uint64_t granule = (item->flags & PANBO_BO_HEAP) != 0 ? kHeapGranule : page_size;
    bo.size = (item->size + granule - 1) / granule * granule;
    bo.kind = item->flags & kKindFlags;
    bo.origin = PANBO_ORIGIN_DIRECT;
    if (const auto made = bo.backing.create(drm, bo.size, bo.kind); !made) return made.error();
    ++item;
  }
  return bos;
}

}  // namespace panbo
