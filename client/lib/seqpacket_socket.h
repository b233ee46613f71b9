// Connecting to one of the daemon's sockets.
#pragma once

#include "client/lib/poll_until.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo {

/// A connected SOCK_SEQPACKET socket, CLOEXEC and blocking. Restarts on EINTR. Errors: ENAMETOOLONG the path does not
/// fit a socket's address; ETIMEDOUT nobody made room for another connection before the deadline; those of socket(2)
/// and connect(2), ENOENT, ECONNREFUSED and EACCES among them.
Result<UniqueFd> connect_seqpacket(const char* path, Deadline deadline = std::nullopt);

}  // namespace panbo
