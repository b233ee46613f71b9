// A socket on which panbod listens: one that systemd passed, or one of our own.
#pragma once

#include <sys/types.h>

#include <string>

#include "proto/unique_fd.h"

namespace panbo {

class ListeningSocket {
 public:
  ListeningSocket() = default;
  ListeningSocket(ListeningSocket&&) = default;
  ListeningSocket& operator=(ListeningSocket&&) = default;
  /// Removes the path, if it is ours and still leads to this socket.
  ~ListeningSocket();

  /// Listens at `path`, which gets `mode`. A socket that a dead daemon left there is replaced. Throws StartError: a
  /// daemon is alive there, something else is in the way, or the directory cannot be used; SettingsError: no socket can
  /// have such a path.
  static ListeningSocket create(const std::string& path, mode_t mode);

  /// One that somebody else made and will remove.
  static ListeningSocket adopt(UniqueFd fd);

  [[nodiscard]] bool valid() const { return fd_.valid(); }
  [[nodiscard]] bool adopted() const { return path_.empty(); }
  /// Where clients find it, as the kernel says; empty when the fd was given away.
  [[nodiscard]] std::string path() const;
  /// Gives the fd away, but not the path.
  [[nodiscard]] UniqueFd take_fd() { return std::move(fd_); }

 private:
  ListeningSocket(UniqueFd fd, std::string path);

  UniqueFd fd_;
  /// Empty: not ours.
  std::string path_;
  /// Of the file at the path. Another daemon may have put its own there since.
  ino_t inode_ = 0;
};

struct ListeningSockets {
  ListeningSocket clients;
  ListeningSocket administrators;
};

/// Takes over what systemd passes under the names "panbo" and "admin" (FileDescriptorName=), and creates what it does
/// not pass. Throws as ListeningSocket::create() does.
[[nodiscard]] ListeningSockets open_listening_sockets(const std::string& client_path, const std::string& admin_path);

}  // namespace panbo
