// Nothing here parses, checks or counts anything: recvmsg, sendmsg, close, on both sides.

#include "tests/bench/echo.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <stdexcept>

#include "proto/packet.h"

namespace panbo::bench {
namespace {

/// About what an Alloc and its answer take.
constexpr size_t kPacketBytes = 32;

[[noreturn]] void echo(int socket) {
  std::array<std::byte, 64> buffer;
  ReceivedFds fds;
  for (;;) {
    const auto packet = receive_packet(socket, buffer, fds, 0);
    if (!packet || packet->status != PacketStatus::kComplete) ::_exit(0);
    const UniqueFd fd = fds.take(0);
    const int borrowed = fd.get();
    if (!send_packet(socket, std::span(buffer).first(packet->bytes), {&borrowed, 1}, 0)) ::_exit(0);
  }
}

}  // namespace

EchoProcess::EchoProcess() : memory_(::memfd_create("panbo-bench", MFD_CLOEXEC)) {
  int ends[2];
  if (!memory_.valid() || ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
    throw std::runtime_error("no memfd or no socket pair");
  }
  socket_.reset(ends[0]);
  UniqueFd other(ends[1]);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ == 0) {
    socket_.reset();
    echo(other.get());
  }
}

EchoProcess::~EchoProcess() {
  socket_.reset();
  ::waitpid(pid_, nullptr, 0);
}

void EchoProcess::round_trip() {
  static constexpr std::array<std::byte, kPacketBytes> request{};
  std::array<std::byte, 64> buffer;
  ReceivedFds fds;
  const int fd = memory_.get();
  const bool ok = send_packet(socket_.get(), request, {&fd, 1}, 0).ok() &&
                  receive_packet(socket_.get(), buffer, fds, 0).ok() && fds.count() == 1;
  if (!ok) throw std::runtime_error("the echo process is gone");
}

}  // namespace panbo::bench
