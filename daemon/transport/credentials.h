// Who is at the other end of a Unix socket.
#pragma once

#include "daemon/service/messages.h"
#include "proto/result.h"

namespace panbo {

/// The process that connected, as it was then, whatever has become of it or of the socket since (SO_PEERCRED).
/// Errors: those of getsockopt(2).
Result<Peer> peer_of(int socket);

}  // namespace panbo
