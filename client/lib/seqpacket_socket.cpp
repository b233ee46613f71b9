#include "client/lib/seqpacket_socket.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

namespace panbo {
namespace {

void set_send_timeout(int socket, timeval timeout) {
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

// It is what connect(2) goes by, too. A timeout of 0 would be none.
void limit_sending(int socket, std::chrono::steady_clock::time_point deadline) {
  using std::chrono::microseconds;
  const auto left = std::chrono::duration_cast<microseconds>(deadline - std::chrono::steady_clock::now());
  const auto limit = std::max(left, microseconds(1));
  const auto seconds = std::chrono::floor<std::chrono::seconds>(limit);
  set_send_timeout(socket, {.tv_sec = static_cast<time_t>(seconds.count()),
                            .tv_usec = static_cast<suseconds_t>((limit - seconds).count())});
}

}  // namespace

Result<UniqueFd> connect_seqpacket(const char* path, Deadline deadline) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (std::strlen(path) >= sizeof(address.sun_path)) return Errno{ENAMETOOLONG};
  std::strcpy(address.sun_path, path);

  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return Errno::last();
  // Unlike a TCP socket, a Unix one that was interrupted is not connecting in the background: trying again is right.
  for (;;) {
    if (deadline) limit_sending(socket.get(), *deadline);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) break;
    if (errno == EAGAIN) return Errno{ETIMEDOUT};
    if (errno != EINTR) return Errno::last();
  }
  if (deadline) set_send_timeout(socket.get(), {});
  return socket;
}

}  // namespace panbo
