#include "client/lib/session.h"

#include <sys/socket.h>

#include <array>
#include <bit>
#include <tuple>

#include "client/lib/seqpacket_socket.h"

namespace panbo {

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

Result<std::shared_ptr<Session>> Session::open(const Greeting& greeting, const ForkGuard& guard, Deadline deadline) {
  auto socket = connect_seqpacket(greeting.path.c_str(), deadline);
  if (!socket) return socket.error();
  auto session = std::make_shared<Session>(*std::move(socket), guard);
  if (const auto greeted = session->greet(greeting, deadline); !greeted) return greeted.error();
  return session;
}

Session::~Session() {
  if (guard_.in_maker()) connection_.shut_down();
}

Result<void> Session::greet(const Greeting& greeting, Deadline deadline) {
  codec::PacketBuffer hello;
  codec::PacketBuffer buffer;
  const uint64_t id = connection_.next_request_id();
  auto answer = connection_.call(
      id, codec::encode_hello(id, limits::kProtocolVersion, greeting.name, greeting.lease_table, hello), buffer,
      deadline);
  if (!answer) return answer.error();
  const auto message = codec::decode(answer->packet);
  if (!message) return Errno{EPROTO};
  if (const auto* failure = std::get_if<codec::Failure>(&message->body)) return errno_of(failure->code);
  const auto* welcome = std::get_if<codec::Welcome>(&message->body);
  if (welcome == nullptr) return Errno{EPROTO};
  if (welcome->protocol_version != limits::kProtocolVersion) return Errno{EPROTONOSUPPORT};
  return take_table(*welcome, *answer);
}

// A daemon that is older gives none, and a table that cannot be had for want of fds is one less: then nothing is kept.
Result<void> Session::take_table(const codec::Welcome& welcome, Answer& answer) {
  if (welcome.lease_table_words == 0 || answer.fds_lost) return {};
  if (answer.fds.count() != 2 || !std::has_single_bit(welcome.page_size)) return Errno{EPROTO};
  if (const auto mapped = table_.map(answer.fds.take(0), welcome.lease_table_words); !mapped) return mapped;
  bell_ = answer.fds.take(1);
  page_size_ = welcome.page_size;
  return {};
}

bool Session::hear_bell() {
  std::byte byte;
  bool rang = false;
  ssize_t read;
  while ((read = ::recv(bell_.get(), &byte, sizeof(byte), MSG_DONTWAIT)) > 0) rang = true;
  return rang || read == 0;
}

void Session::release(std::span<const uint64_t> lease_ids, bool shared) {
  if (is_over()) return;
  codec::PacketBuffer buffer;
  std::ignore = connection_.send(codec::encode_release(lease_ids, shared, buffer));
}

void Session::say_unused() {
  codec::PacketBuffer buffer;
  std::ignore = connection_.send(codec::encode_leases_unused(buffer));
}

Errno Session::broken() {
  connection_.shut_down();
  return Errno{EPROTO};
}

}  // namespace panbo
