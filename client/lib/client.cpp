// Where BOs come from and go to. So far there is one source, the daemon: alloc() asks borrow_from_daemon().
//
// Whatever may fail for want of memory is done before the daemon is asked. Once it has granted a lease, the lease is
// either in bos_ or was given back.
//
// The daemon is believed, but checked: each fd must be the one that its grant describes, of the size that was asked
// for. The alternative to noticing a mix-up here is a GPU that writes into somebody else's BO.

#include "client/lib/client.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "client/lib/seqpacket_socket.h"

namespace panbo {
namespace {

Errno errno_of(codec::FailureCode code) {
  switch (code) {
    case codec::FailureCode::kInvalidArgument:
      return Errno{EINVAL};
    case codec::FailureCode::kTimedOut:
      return Errno{ETIMEDOUT};
    case codec::FailureCode::kOutOfMemory:
      return Errno{ENOMEM};
    case codec::FailureCode::kOverQuota:
      return Errno{EDQUOT};
    case codec::FailureCode::kNotPermitted:
      return Errno{EACCES};
    case codec::FailureCode::kUnknownLease:
      return Errno{ENOENT};
    case codec::FailureCode::kProtocol:
      return Errno{EPROTO};
    case codec::FailureCode::kNotSupported:
      return Errno{EOPNOTSUPP};
    case codec::FailureCode::kVersion:
      return Errno{EPROTONOSUPPORT};
    case codec::FailureCode::kUnknown:
    case codec::FailureCode::kDevice:
      break;
  }
  return Errno{EIO};
}

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

Result<void> fill(std::list<panbo_bo>& bos, std::span<const codec::AllocItem> items, const codec::Granted& granted,
                  Answer& answer, DrmFile* drm) {
  if (answer.fds_lost) return Errno{EMFILE};
  if (granted.count != items.size() || answer.fds.count() != granted.count) return Errno{EPROTO};
  size_t i = 0;
  for (panbo_bo& bo : bos) {
    const codec::Grant& grant = granted.storage[i];
    UniqueFd fd = answer.fds.take(i);
    if (!describes(grant, fd) || grant.size < items[i].size) return Errno{EPROTO};
    if (drm == nullptr) {
      bo.backing.keep_fd(std::move(fd));
    } else if (const auto imported = bo.backing.import(*drm, fd); !imported) {
      return imported;
    }
    bo.lease_id = grant.lease_id;
    bo.size = grant.size;
    bo.origin = origin_of(grant);
    bo.kind = items[i].flags & (PANBO_BO_EXECUTABLE | PANBO_BO_HEAP);
    ++i;
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<panbo_client>> Client::connect(ClientSettings settings) {
  auto guard = ForkGuard::make();
  if (!guard) return guard.error();
  auto socket = connect_seqpacket(settings.socket_path.c_str());
  if (!socket) return socket.error();
  auto client = std::make_unique<panbo_client>(*std::move(guard), std::move(settings), *std::move(socket));
  if (const auto greeted = client->greet(); !greeted) return greeted.error();
  client->start_recording();
  return client;
}

// The fds go first: a BO whose lease ends while somebody has an fd of it is not lent again until that is closed. The
// connection is shut down because a child that was forked may still have the socket open.
Client::~Client() {
  auto bos = bos_.remove_all();
  drop(bos);
  if (!is_ours()) return;
  if (recorder_ != nullptr) recorder_->depart(recorded_);
  connection_.shut_down();
}

void Client::start_recording() {
  recorder_ = Recorder::of_this_process();
  if (recorder_ != nullptr) recorded_ = recorder_->arrive(settings_.name);
}

Result<void> Client::greet() {
  codec::PacketBuffer hello;
  codec::PacketBuffer buffer;
  const uint64_t id = connection_.next_request_id();
  const auto answer =
      connection_.call(id, codec::encode_hello(id, limits::kProtocolVersion, settings_.name, hello), buffer);
  if (!answer) return answer.error();
  const auto message = codec::decode(answer->packet);
  if (!message) return Errno{EPROTO};
  if (const auto* failure = std::get_if<codec::Failure>(&message->body)) return errno_of(failure->code);
  const auto* welcome = std::get_if<codec::Welcome>(&message->body);
  if (welcome == nullptr) return Errno{EPROTO};
  if (welcome->protocol_version != limits::kProtocolVersion) return Errno{EPROTONOSUPPORT};
  return {};
}

Result<void> Client::alloc(std::span<const codec::AllocItem> items, uint64_t timeout_ns, panbo_bo** out) {
  auto bos = BoList::make(*this, items.size());
  if (const auto borrowed = borrow_from_daemon(items, timeout_ns, bos); !borrowed) {
    bos_.count_failed(items.size());
    return borrowed.error();
  }
  const codec::AllocItem* item = items.data();
  for (panbo_bo& bo : bos) {
    if (recorder_ != nullptr) bo.recorded = recorder_->alloc(recorded_, item->size, item->flags);
    ++item;
    *out++ = &bo;
  }
  bos_.add(bos);
  return {};
}

Result<void> Client::borrow_from_daemon(std::span<const codec::AllocItem> items, uint64_t timeout_ns,
                                        std::list<panbo_bo>& bos) {
  codec::PacketBuffer request;
  codec::PacketBuffer buffer;
  const uint64_t id = connection_.next_request_id();
  auto answer = connection_.call(id, codec::encode_alloc(id, items, timeout_ns, request), buffer);
  if (!answer) return answer.error();
  const auto message = codec::decode(answer->packet);
  if (!message) return broken();
  if (const auto* failure = std::get_if<codec::Failure>(&message->body)) return errno_of(failure->code);
  const auto* granted = std::get_if<codec::Granted>(&message->body);
  if (granted == nullptr) return broken();

  const auto filled = fill(bos, items, *granted, *answer, settings_.drm.get());
  if (!filled) {
    answer->fds.clear();
    for (panbo_bo& bo : bos) bo.backing.drop();
    give_back(granted->grants());
  }
  return filled;
}

Result<void> Client::release(panbo_bo& bo, uint32_t flags) {
  const uint64_t lease_id = bo.lease_id;
  if (recorder_ != nullptr) {
    const bool idle = (flags & PANBO_RELEASE_IDLE) != 0 || bo.backing.wait(deadline_after(0));
    recorder_->release(recorded_, bo.recorded, !idle);
  }
  auto removed = bos_.remove(bo);
  drop(removed);
  codec::PacketBuffer buffer;
  return connection_.send(codec::encode_release(std::span(&lease_id, 1), buffer));
}

// What a BO has is closed before its lease is given back: the daemon must not lend a BO that is still mapped here.
void Client::drop(std::list<panbo_bo>& bos) {
  for (panbo_bo& bo : bos) {
    if (!is_ours()) {
      bo.backing.disown();
    } else if (settings_.on_drop != nullptr) {
      settings_.on_drop(&bo, bo.user_data);
    }
  }
  bos.clear();
}

void Client::give_back(std::span<const codec::Grant> grants) {
  if (grants.empty()) return;
  std::array<uint64_t, limits::kMaxBatch> ids;
  std::ranges::transform(grants, ids.begin(), &codec::Grant::lease_id);
  codec::PacketBuffer buffer;
  // If it cannot be sent the daemon is gone, and has taken them back itself.
  std::ignore = connection_.send(codec::encode_release(std::span(ids).first(grants.size()), buffer));
}

// The daemon's answer makes no sense, so which leases it gave is not known: it learns by the end of the connection.
Errno Client::broken() {
  connection_.shut_down();
  return Errno{EPROTO};
}

}  // namespace panbo
