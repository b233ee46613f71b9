// One question at a time. The daemon answers at once, so one that is silent for long is stuck: better to say so than to
// hang.

#include "client/cli/admin_connection.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <span>
#include <utility>

#include "client/cli/human.h"
#include "client/lib/seqpacket_socket.h"
#include "proto/packet.h"

namespace panbo::cli {
namespace {

constexpr timeval kPatience{.tv_sec = 30, .tv_usec = 0};

std::string why_not_connected(const std::string& path, Errno error) {
  switch (error.value) {
    case ENOENT:
      return "there is no socket at " + path + ": is panbod running? If it is elsewhere, name it with --admin-socket";
    case ECONNREFUSED:
      return "nobody listens at " + path + ": is panbod running?";
    case EACCES:
    case EPERM:
      return "no permission for " + path + ": run panboctl as root, or join the group panbo-admin";
    default:
      return "cannot connect to " + path + ": " + error.message();
  }
}

UniqueFd connect(const std::string& path) {
  auto socket = connect_seqpacket(path.c_str());
  if (!socket) throw CommandError(why_not_connected(path, socket.error()));
  for (const int direction : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    if (::setsockopt(socket->get(), SOL_SOCKET, direction, &kPatience, sizeof(kPatience)) < 0)
      throw CommandError("cannot set a timeout: " + Errno::last().message());
  }
  return *std::move(socket);
}

[[noreturn]] void throw_no_answer(const std::string& path, Errno error) {
  if (error == Errno{EAGAIN}) {
    throw CommandError("panbod at " + path + " has not answered for " + std::to_string(kPatience.tv_sec) +
                       " seconds: it is stuck; its log may tell why");
  }
  throw CommandError("the connection to " + path + " failed: " + error.message());
}

}  // namespace

AdminConnection::AdminConnection(const std::string& path) : path_(path), socket_(connect(path)) {
}

wire::Envelope AdminConnection::ask(wire::Envelope request, wire::Envelope::BodyCase body) {
  request.set_request_id(++last_request_id_);
  const std::string bytes = request.SerializeAsString();
  const auto sent = send_packet(socket_.get(), std::as_bytes(std::span(bytes)), {}, 0);
  // Why the daemon has hung up is what receive() may find.
  if (!sent && sent.error() != Errno{EPIPE}) throw_no_answer(path_, sent.error());
  return receive(body);
}

// `list` is what an answer has the list in, `rows` what that has its rows in.
template <class Row, class List>
std::vector<Row> AdminConnection::ask_for_list(wire::Envelope request, wire::Envelope::BodyCase body,
                                               const List& (wire::Envelope::*list)() const,
                                               const google::protobuf::RepeatedPtrField<Row>& (List::*rows)() const) {
  std::vector<Row> all;
  for (wire::Envelope answer = ask(std::move(request), body);; answer = receive(body)) {
    const List& part = (answer.*list)();
    all.insert(all.end(), (part.*rows)().begin(), (part.*rows)().end());
    if (!part.more()) return all;
  }
}

std::vector<wire::Client> AdminConnection::clients() {
  wire::Envelope request;
  request.mutable_get_clients();
  return ask_for_list(std::move(request), wire::Envelope::kClients, &wire::Envelope::clients, &wire::Clients::clients);
}

std::vector<wire::Label> AdminConnection::labels() {
  wire::Envelope request;
  request.mutable_get_labels();
  return ask_for_list(std::move(request), wire::Envelope::kLabels, &wire::Envelope::labels, &wire::Labels::labels);
}

std::vector<wire::Setting> AdminConnection::settings() {
  wire::Envelope request;
  request.mutable_get_config();
  return ask_for_list(std::move(request), wire::Envelope::kConfig, &wire::Envelope::config, &wire::Config::settings);
}

wire::Envelope AdminConnection::receive(wire::Envelope::BodyCase body) {
  std::array<std::byte, limits::kMaxPacketBytes> buffer;
  ReceivedFds fds;
  const auto packet = receive_packet(socket_.get(), buffer, fds, 0);
  if (!packet) throw_no_answer(path_, packet.error());
  if (packet->status == PacketStatus::kEndOfStream)
    throw CommandError("panbod at " + path_ + " has closed the connection without an answer; its log may tell why");

  wire::Envelope answer;
  if (packet->status != PacketStatus::kComplete ||
      !answer.ParseFromArray(buffer.data(), static_cast<int>(packet->bytes)) ||
      answer.request_id() != last_request_id_ || (!answer.has_failure() && answer.body_case() != body)) {
    throw CommandError("what answers at " + path_ + " does not speak panbo's protocol: is it panbod's admin socket?");
  }
  if (answer.has_failure()) throw CommandError("panbod refused: " + printable(answer.failure().message()));
  return answer;
}

}  // namespace panbo::cli
