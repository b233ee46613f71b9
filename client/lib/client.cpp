// A BO is sought in three places: among those that are kept, which costs no system call; with the daemon; and, when
// there is no daemon and the program wants it so, in its own DRM file.
//
// A BO goes back the other way. What is kept stays a lease: only its word in the lease table says that it is not used,
// and the daemon may take it. Whoever then finds it, in most cases the keeper's thread, drops what this process has of
// the BO, and after that says so to the daemon, who lends it to the next one. In this order always: what is given back
// must not be mapped here any more.
//
// When the daemon is gone nothing is lost: BOs are the kernel's, and stay until their last user is gone. Those that are
// in use stay so; those that are kept are dropped, since nobody would take them back when memory is short.

#include "client/lib/client.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <boost/container/static_vector.hpp>
#include <iterator>

#include "client/lib/session.h"
#include "client/lib/sources.h"

namespace panbo {
namespace {

constexpr std::chrono::milliseconds kPatience{5000};
/// When the program can do without the daemon: first, and while it is known not to answer.
constexpr std::chrono::milliseconds kShortPatience{1000};
constexpr std::chrono::milliseconds kShortestPatience{100};

constexpr size_t kMaxKept = 1024;

// A BO that has no handle has an fd, and those are the program's, too.
size_t max_kept(const ClientSettings& settings) {
  rlimit fds{};
  if (settings.drm != nullptr || ::getrlimit(RLIMIT_NOFILE, &fds) != 0) return kMaxKept;
  return std::min<size_t>(kMaxKept, fds.rlim_cur / 4);
}

// Of this process, or of what the caller said, and not of the daemon: it may come back, and this would not go away.
bool is_our_fault(Errno error) {
  return error == Errno{ENAMETOOLONG} || error == Errno{EMFILE} || error == Errno{ENFILE} || error == Errno{ENOMEM};
}

}  // namespace

Result<std::unique_ptr<panbo_client>> Client::connect(ClientSettings settings) {
  auto guard = ForkGuard::make();
  if (!guard) return guard.error();
  auto client = std::make_unique<panbo_client>(*std::move(guard), std::move(settings));
  if (const auto started = client->start(); !started) return started.error();
  return client;
}

Client::Client(ForkGuard guard, ClientSettings settings)
    : guard_(std::move(guard)), settings_(std::move(settings)), bos_(max_kept(settings_)) {
}

Result<void> Client::start() {
  auto link = DaemonLink::make(
      {.greeting = {.path = settings_.socket_path, .name = settings_.name, .lease_table = !has(PANBO_CLIENT_NO_CACHE)},
       .patience = has(PANBO_CLIENT_DIRECT) ? kShortPatience : kPatience,
       .patience_with_silent = has(PANBO_CLIENT_DIRECT) ? kShortestPatience : kPatience,
       .is_optional = has(PANBO_CLIENT_DIRECT),
       .watch_bell = has(PANBO_CLIENT_NO_THREAD)},
      guard_);
  if (!link) return link.error();
  link_ = *std::move(link);
  const auto session = connected();
  if (!session && (!has(PANBO_CLIENT_DIRECT) || is_our_fault(session.error()))) return session.error();
  start_recording();
  return {};
}

// The end of the connection gives the leases back, but it does not say which BOs were shared.
Client::~Client() {
  keeper_.stop();
  auto bos = bos_.remove_all();
  if (is_ours()) give_back_exported(bos);
  drop(bos);
  if (recorder_ != nullptr && is_ours()) recorder_->depart(recorded_);
}

void Client::start_recording() {
  recorder_ = ProgramRecorder::of_this_process();
  if (recorder_ != nullptr) recorded_ = recorder_->arrive(settings_.name);
}

Result<std::shared_ptr<Session>> Client::connected() {
  bool is_new = false;
  auto session = link_->get(is_new);
  if (is_new) {
    page_size_ = (*session)->page_size();
    keeper_.session_changed();
    give_back(bos_.remove_orphans());
  }
  return session;
}

Result<int> Client::dispatch(Deadline deadline) {
  const auto session = link_->current();
  if (session == nullptr) return Errno{ENOTCONN};
  const int bell = has(PANBO_CLIENT_NO_THREAD) ? session->bell() : kNoFd;
  const auto hear_bell = [&] {
    if (bell == kNoFd || !session->hear_bell()) return 0;
    bell_rang();
    return 1;
  };
  const int rung = hear_bell();
  const auto handled = session->connection().dispatch(rung > 0 ? deadline_after(0) : deadline, bell);
  if (!handled) {
    session_over(*session);
    return handled;
  }
  return rung + *handled + hear_bell();
}

void Client::bell_rang() {
  give_back(bos_.remove_taken());
}

void Client::session_over(Session& session) {
  link_->forget(session);
  give_back(bos_.remove_orphans());
}

/// Kept BOs that were found for an allocation. Unless it is done they are kept again.
struct Client::Hits {
  Client& client;
  std::span<panbo_bo*> bos;
  bool done = false;

  ~Hits() {
    if (done) return;
    for (panbo_bo* bo : bos) {
      if (bo != nullptr) client.put_back(*bo);
    }
    client.bos_.count_failed(bos.size());
  }
};

Result<void> Client::alloc(std::span<const codec::AllocItem> items, uint64_t timeout_ns, panbo_bo** out) {
  std::array<panbo_bo*, limits::kMaxBatch> bos;
  bool complete = true;
  for (size_t i = 0; i < items.size(); ++i) {
    bos[i] = use_kept(items[i]);
    complete = complete && bos[i] != nullptr;
  }
  if (!complete) {
    Hits hits{.client = *this, .bos = std::span(bos).first(items.size())};
    if (const auto fetched = fetch(items, timeout_ns, hits.bos); !fetched) return fetched;
    hits.done = true;
  }
  for (size_t i = 0; i < items.size(); ++i) {
    if (recorder_ != nullptr) bos[i]->recorded = recorder_->alloc(recorded_, items[i].size, items[i].flags);
    out[i] = bos[i];
  }
  return {};
}

panbo_bo* Client::use_kept(const codec::AllocItem& item) {
  const uint64_t page_size = page_size_.load(std::memory_order_relaxed);
  if ((item.flags & PANBO_BO_ZEROED) != 0 || !LocalCache::can_keep(item.size, page_size)) return nullptr;
  const uint32_t kind = item.flags & kKindFlags;
  bool maybe_busy = false;
  panbo_bo* bo = bos_.use_kept(kind, size_class_of(kind, item.size, page_size), page_size, maybe_busy);
  if (bo == nullptr || !maybe_busy || bo->backing.wait(deadline_after(0))) return bo;
  put_back(*bo);
  return nullptr;
}

void Client::put_back(panbo_bo& bo) {
  if (bos_.put_back(bo)) say_unused();
}

void Client::say_unused() {
  // Of another session than the lease, it says nothing wrong.
  if (const auto session = link_->current(); session != nullptr) session->say_unused();
}

// Those of `bos` that are nullptr.
Result<void> Client::fetch(std::span<const codec::AllocItem> items, uint64_t timeout_ns, std::span<panbo_bo*> bos) {
  boost::container::static_vector<codec::AllocItem, limits::kMaxBatch> missing;
  for (size_t i = 0; i < items.size(); ++i) {
    if (bos[i] == nullptr) missing.push_back(items[i]);
  }
  auto fetched = fetch(missing, timeout_ns);
  if (!fetched) return fetched.error();
  auto next = fetched->begin();
  for (panbo_bo*& bo : bos) {
    if (bo == nullptr) bo = &*next++;
  }
  bos_.add(*fetched);
  return {};
}

Result<std::list<panbo_bo>> Client::fetch(std::span<codec::AllocItem> items, uint64_t timeout_ns) {
  bool tried_again = false;
  bool gave_back = false;
  for (;;) {
    const auto session = connected();
    if (!session) return without_daemon(items);
    auto borrowed = borrow(*session, items, timeout_ns);
    if (borrowed) return borrowed;
    const Errno error = borrowed.error();
    if (error == Errno{ENOTCONN}) {
      session_over(**session);
      if (tried_again) return without_daemon(items);
      tried_again = true;
    } else if (error == Errno{EDQUOT} || error == Errno{ENOMEM} || error == Errno{ENOSPC}) {
      auto kept = bos_.remove_kept();
      if (gave_back || kept.empty()) return error;
      give_back(std::move(kept));
      gave_back = true;
    } else {
      return error;
    }
  }
}

Result<std::list<panbo_bo>> Client::borrow(const std::shared_ptr<Session>& session, std::span<codec::AllocItem> items,
                                           uint64_t timeout_ns) {
  boost::container::static_vector<LocalBin*, limits::kMaxBatch> bins(items.size(), nullptr);
  if (session->table().exists()) bos_.plan(items, bins, session->page_size());
  // Extra ones are kept from the start.
  if (std::ranges::any_of(items, [](const auto& item) { return item.extra > 0; }) && !can_keep()) {
    for (codec::AllocItem& item : items) item.extra = 0;
  }
  auto borrowed = panbo::borrow(*this, session, items, bins, timeout_ns, settings_.drm.get());
  if (!borrowed) return borrowed.error();
  bos_.add_unused(borrowed->extras);
  // What the daemon has taken back already.
  give_back(std::move(borrowed->extras));
  return std::move(borrowed->granted);
}

Result<std::list<panbo_bo>> Client::without_daemon(std::span<const codec::AllocItem> items) {
  if (!has(PANBO_CLIENT_DIRECT)) return Errno{ENOTCONN};
  return create_direct(*this, items, *settings_.drm);
}

void Client::release(panbo_bo& bo, uint32_t flags) {
  bool idle = (flags & PANBO_RELEASE_IDLE) != 0;
  if (recorder_ != nullptr) {
    idle = idle || bo.backing.wait(deadline_after(0));
    recorder_->release(recorded_, bo.recorded, !idle);
  }
  bo.shared = (flags & PANBO_RELEASE_SHARED) != 0 || bo.backing.was_exported();
  if (bo.bin == nullptr || bo.shared || !can_keep() || !keep(bo, idle)) give_back(bos_.remove(bo));
}

// False: it was not kept.
bool Client::keep(panbo_bo& bo, bool idle) {
  const auto kept = bos_.keep(bo, idle);
  if (kept.wake) say_unused();
  if (kept.in_excess) give_back(bos_.remove_excess());
  return kept.done;
}

void Client::drop(std::list<panbo_bo>& bos) const {
  for (panbo_bo& bo : bos) {
    if (!is_ours()) {
      bo.backing.disown();
    } else if (settings_.on_drop != nullptr && bo.origin != 0) {
      settings_.on_drop(&bo, bo.user_data);
    }
  }
  bos.clear();
}

void Client::give_back_exported(std::list<panbo_bo>& bos) {
  std::list<panbo_bo> exported;
  for (auto bo = bos.begin(); bo != bos.end();) {
    const auto next = std::next(bo);
    bo->shared = bo->backing.was_exported();
    if (bo->shared) exported.splice(exported.end(), bos, bo);
    bo = next;
  }
  give_back(std::move(exported));
}

void Client::give_back(std::list<panbo_bo> bos) {
  while (!bos.empty()) {
    const auto session = bos.front().session;
    const bool shared = bos.front().shared;
    std::array<uint64_t, limits::kMaxReleases> ids;
    size_t count = 0;
    std::list<panbo_bo> some;
    while (!bos.empty() && bos.front().session == session && bos.front().shared == shared && count < ids.size()) {
      ids[count++] = bos.front().lease_id;
      some.splice(some.end(), bos, bos.begin());
    }
    drop(some);
    if (session != nullptr) session->release(std::span(ids).first(count), shared);
  }
}

}  // namespace panbo
