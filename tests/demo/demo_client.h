// A client process that does what the demonstration tells it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "proto/unique_fd.h"

namespace panbo::demo {

/// A BO as its client sees it.
struct ClientBo {
  /// The client's fd of the dma-buf.
  int fd = -1;
  uint64_t inode = 0;
  uint64_t size = 0;
  /// PANBO_ORIGIN_*.
  uint32_t origin = 0;
};

class DemoClient {
 public:
  /// Starts a process that connects to the daemon under `name`. Throws std::runtime_error, as all functions do if the
  /// process or the daemon does not do its part.
  DemoClient(const std::string& name, const std::string& socket_path);
  /// Ends the process, which closes its connection first.
  ~DemoClient();
  DemoClient(const DemoClient&) = delete;
  DemoClient& operator=(const DemoClient&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }

  ClientBo alloc(uint64_t size);
  /// Writes a text to the start of the BO that it allocated last.
  void write(const std::string& text);
  /// What the BO that it allocated last starts with.
  std::string read();
  /// An fd of that BO, to give to somebody else.
  UniqueFd share();
  /// Takes an fd from somebody else, and tells what the memory starts with.
  std::string read_shared(const UniqueFd& fd);
  /// Releases the BO that it allocated last.
  void release();

 private:
  struct Command;
  struct Answer;
  class Process;

  Answer ask(const Command& command, const UniqueFd& fd = {}, UniqueFd* received = nullptr);

  UniqueFd socket_;
  pid_t pid_ = -1;
};

}  // namespace panbo::demo
