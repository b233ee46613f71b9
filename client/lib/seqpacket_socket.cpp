#include "client/lib/seqpacket_socket.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

namespace panbo {

Result<UniqueFd> connect_seqpacket(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (std::strlen(path) >= sizeof(address.sun_path)) return Errno{ENAMETOOLONG};
  std::strcpy(address.sun_path, path);

  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return Errno::last();
  // Unlike a TCP socket, a Unix one that was interrupted is not connecting in the background: trying again is right.
  while (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) < 0) {
    if (errno != EINTR) return Errno::last();
  }
  return socket;
}

}  // namespace panbo
