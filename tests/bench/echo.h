// The least that a request to another process can cost: two processes, a SOCK_SEQPACKET socket, a packet with one fd.
#pragma once

#include <sys/types.h>

#include "proto/unique_fd.h"

namespace panbo::bench {

/// A process that sends back every packet that it gets, with the fd that came with it.
class EchoProcess {
 public:
  /// Throws std::runtime_error.
  EchoProcess();
  ~EchoProcess();
  EchoProcess(const EchoProcess&) = delete;
  EchoProcess& operator=(const EchoProcess&) = delete;

  /// One packet with an fd there and back.
  void round_trip();

 private:
  UniqueFd socket_;
  /// What travels: a memfd.
  UniqueFd memory_;
  pid_t pid_ = -1;
};

}  // namespace panbo::bench
