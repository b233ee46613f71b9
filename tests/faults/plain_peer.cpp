#include "tests/faults/plain_peer.h"

#include <sys/wait.h>

#include <cstdlib>

namespace panbo {

int plain_peer(const std::string& part, const std::string& socket_path) {
  // A sanitizer that is preloaded is meant for this process.
  const std::string command = "env -u LD_PRELOAD python3 " PANBO_PLAIN_PEER " " + part + " " + socket_path;
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace panbo
