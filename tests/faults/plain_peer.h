// A peer that shares no code with the daemon: plain_peer.py.
#pragma once

#include <string>

namespace panbo {

/// Runs one of its parts against a daemon's socket. Returns its exit status: 0, or 1 after a message on stderr.
int plain_peer(const std::string& part, const std::string& socket_path);

}  // namespace panbo
