// A path that exists is tried before it is removed: two daemons on one socket, of which the older is no longer reached,
// would be two caches that know nothing of each other. From the look until it listens a daemon has a file
// beside the socket locked: one that is bound and does not listen yet looks dead to another that starts at the same
// moment.

#include "daemon/app/listening_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include <cstdlib>
#include <cstring>
#include <string_view>

#include "daemon/app/lock_file.h"
#include "daemon/app/settings.h"
#include "proto/result.h"

namespace panbo {
namespace {

constexpr mode_t kClientMode = 0666;
constexpr mode_t kAdminMode = 0600;

[[noreturn]] void fail(const std::string& path, const std::string& why) {
  throw StartError(fmt::format("cannot listen at {}: {}", path, why));
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    throw SettingsError(
        fmt::format("cannot listen at {}: a socket's path has from 1 to {} bytes", path, sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

UniqueFd make_socket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

/// The lock lasts as long as what is returned.
LockFile lock(const std::string& path) {
  const std::string file = path + ".lock";
  auto lock = LockFile::take(file);
  if (lock) return *std::move(lock);
  if (lock.error() == Errno{ENOENT}) fail(path, "its directory does not exist; create it, or give another --socket");
  fail(path, fmt::format("cannot lock {}: {}", file, lock.error().message()));
}

void remove_stale(const std::string& path, const sockaddr_un& address) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) < 0) return;
  if (!S_ISSOCK(status.st_mode)) fail(path, "there is something else at this path");
  const UniqueFd probe = make_socket();
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 || errno == EAGAIN) {
    fail(path, "another panbod listens there; stop it, or give this one another --socket");
  }
  if (errno != ECONNREFUSED) fail(path, std::strerror(errno));
  spdlog::info("removing {}, which a daemon that is gone left behind", path);
  ::unlink(path.c_str());
}

ino_t inode_at(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace

ListeningSocket::ListeningSocket(UniqueFd fd, std::string path)
    : fd_(std::move(fd)), path_(std::move(path)), inode_(path_.empty() ? 0 : inode_at(path_)) {
}

ListeningSocket::~ListeningSocket() {
  if (!path_.empty() && inode_at(path_) == inode_) ::unlink(path_.c_str());
}

std::string ListeningSocket::path() const {
  sockaddr_un address{};
  // One byte stays zero.
  socklen_t size = sizeof(address) - 1;
  if (::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size) < 0) return "";
  return address.sun_path;
}

ListeningSocket ListeningSocket::create(const std::string& path, mode_t mode) {
  const sockaddr_un address = address_of(path);
  UniqueFd fd = make_socket();
  if (!fd.valid()) fail(path, std::strerror(errno));
  const LockFile locked = lock(path);
  remove_stale(path, address);
  // The mode is in force before anybody can connect.
  const mode_t old_mask = ::umask(~mode & 0777);
  const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const Errno error = Errno::last();
  ::umask(old_mask);
  if (bound < 0) fail(path, error.message());
  ListeningSocket socket(std::move(fd), path);
  if (::listen(socket.fd_.get(), SOMAXCONN) < 0) fail(path, std::strerror(errno));
  return socket;
}

ListeningSocket ListeningSocket::adopt(UniqueFd fd) {
  ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
  return {std::move(fd), ""};
}

ListeningSockets open_listening_sockets(const std::string& client_path, const std::string& admin_path) {
  ListeningSockets sockets;
  char** names = nullptr;
  const int count = ::sd_listen_fds_with_names(1, &names);
  for (int i = 0; i < count; ++i) {
    UniqueFd fd(SD_LISTEN_FDS_START + i);
    const std::string_view name = names[i];
    if (::sd_is_socket_unix(fd.get(), SOCK_SEQPACKET, 1, nullptr, 0) <= 0) {
      spdlog::warn("systemd passed '{}', which is no listening SOCK_SEQPACKET socket: closed", name);
    } else if (name == "panbo") {
      sockets.clients = ListeningSocket::adopt(std::move(fd));
    } else if (name == "admin") {
      sockets.administrators = ListeningSocket::adopt(std::move(fd));
    } else {
      spdlog::warn("systemd passed a socket under the unknown name '{}': closed", name);
    }
    std::free(names[i]);
  }
  std::free(names);
  if (!sockets.clients.valid()) sockets.clients = ListeningSocket::create(client_path, kClientMode);
  if (!sockets.administrators.valid()) sockets.administrators = ListeningSocket::create(admin_path, kAdminMode);
  return sockets;
}

}  // namespace panbo
