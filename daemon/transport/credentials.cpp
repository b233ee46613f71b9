// The uid decides, and the kernel keeps it for as long as the socket lives. The pid is for display: it may be 0
// (another pid namespace) or belong to somebody else by now, so nothing here asks whether the process still exists.

#include "daemon/transport/credentials.h"

#include <sys/socket.h>

namespace panbo {

Result<Peer> peer_of(int socket) {
  ucred credentials{};
  socklen_t length = sizeof(credentials);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0) return Errno::last();
  return Peer{.uid = credentials.uid, .pid = credentials.pid};
}

}  // namespace panbo
