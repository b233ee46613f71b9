// The process is a fork of the demonstration: it reads commands from a socket pair and does each with libpanbo, as any
// program would. Fds travel over the same pair.

#include "tests/demo/demo_client.h"

#include <panbo.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <cstring>
#include <stdexcept>

#include "proto/packet.h"

namespace panbo::demo {
namespace {

constexpr size_t kTextBytes = 64;
using Text = std::array<char, kTextBytes>;

enum class Verb : uint32_t { kAlloc, kWrite, kRead, kShare, kReadShared, kRelease };

class Mapping {
 public:
  explicit Mapping(int fd) : bytes_(::mmap(nullptr, kTextBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) {
    if (bytes_ == MAP_FAILED) throw std::runtime_error("cannot map the BO");
  }
  ~Mapping() { ::munmap(bytes_, kTextBytes); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  [[nodiscard]] Text text() const {
    Text text;
    std::memcpy(text.data(), bytes_, text.size());
    return text;
  }
  void write(const Text& text) { std::memcpy(bytes_, text.data(), text.size()); }

 private:
  void* bytes_;
};

std::span<const std::byte> bytes_of(const auto& value) {
  return std::as_bytes(std::span(&value, 1));
}

}  // namespace

struct DemoClient::Command {
  Verb verb;
  uint64_t size = 0;
  Text text{};
};

struct DemoClient::Answer {
  bool ok = true;
  ClientBo bo{};
  Text text{};
};

class DemoClient::Process {
 public:
  Process(const std::string& name, const std::string& socket_path, UniqueFd commands) : commands_(std::move(commands)) {
    panbo_client_options options{};
    options.struct_size = sizeof(options);
    options.socket_path = socket_path.c_str();
    options.name = name.c_str();
    // It is the daemon's cache that is shown.
    options.flags = PANBO_CLIENT_NO_CACHE;
    options.drm_fd = -1;
    if (panbo_client_connect(&options, &client_) < 0) throw std::runtime_error("cannot connect");
  }

  /// Until the demonstration closes its end.
  void serve() {
    std::array<std::byte, sizeof(Command)> buffer;
    ReceivedFds fds;
    for (;;) {
      const auto packet = receive_packet(commands_.get(), buffer, fds, 0);
      if (!packet || packet->status != PacketStatus::kComplete) break;
      Command command;
      std::memcpy(&command, buffer.data(), sizeof(command));
      int shared = -1;
      const Answer answer = run(command, fds.take(0), shared);
      if (!send_packet(commands_.get(), bytes_of(answer), {&shared, shared >= 0 ? size_t{1} : size_t{0}}, 0)) break;
    }
    panbo_client_close(client_);
  }

 private:
  Answer run(const Command& command, const UniqueFd& fd, int& shared) {
    Answer answer;
    switch (command.verb) {
      case Verb::kAlloc:
        answer.ok = alloc(command.size, answer.bo);
        break;
      case Verb::kWrite:
        Mapping(panbo_bo_get_fd(bo_)).write(command.text);
        break;
      case Verb::kRead:
        answer.text = Mapping(panbo_bo_get_fd(bo_)).text();
        break;
      case Verb::kShare:
        shared = panbo_bo_get_fd(bo_);
        break;
      case Verb::kReadShared:
        answer.text = Mapping(fd.get()).text();
        break;
      case Verb::kRelease:
        answer.ok = panbo_bo_release(bo_, 0) == 0;
        bo_ = nullptr;
        break;
    }
    return answer;
  }

  bool alloc(uint64_t size, ClientBo& out) {
    panbo_alloc_request request{};
    request.struct_size = sizeof(request);
    request.size = size;
    if (panbo_bo_alloc(client_, &request, &bo_) < 0) return false;
    struct stat status {};
    ::fstat(panbo_bo_get_fd(bo_), &status);
    out = {.fd = panbo_bo_get_fd(bo_),
           .inode = status.st_ino,
           .size = panbo_bo_get_size(bo_),
           .origin = panbo_bo_get_origin(bo_)};
    return true;
  }

  UniqueFd commands_;
  panbo_client* client_ = nullptr;
  panbo_bo* bo_ = nullptr;
};

DemoClient::DemoClient(const std::string& name, const std::string& socket_path) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) throw std::runtime_error("no socket pair");
  socket_.reset(ends[0]);
  UniqueFd other(ends[1]);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ > 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  socket_.reset();
  try {
    Process(name, socket_path, std::move(other)).serve();
  } catch (const std::exception&) {
    // The demonstration sees the socket end, and says at which step.
    ::_exit(1);
  }
  ::_exit(0);
}

DemoClient::~DemoClient() {
  socket_.reset();
  ::waitpid(pid_, nullptr, 0);
}

DemoClient::Answer DemoClient::ask(const Command& command, const UniqueFd& fd, UniqueFd* received) {
  const int borrowed = fd.get();
  std::array<std::byte, sizeof(Answer)> buffer;
  ReceivedFds fds;
  const bool asked =
      send_packet(socket_.get(), bytes_of(command), {&borrowed, fd.valid() ? size_t{1} : size_t{0}}, 0).ok();
  const auto packet = receive_packet(socket_.get(), buffer, fds, 0);
  if (!asked || !packet || packet->status != PacketStatus::kComplete) throw std::runtime_error("the client is gone");
  Answer answer;
  std::memcpy(&answer, buffer.data(), sizeof(answer));
  if (!answer.ok) throw std::runtime_error("libpanbo returned an error");
  if (received != nullptr) *received = fds.take(0);
  return answer;
}

ClientBo DemoClient::alloc(uint64_t size) {
  return ask({.verb = Verb::kAlloc, .size = size}).bo;
}

void DemoClient::write(const std::string& text) {
  Command command{.verb = Verb::kWrite};
  text.copy(command.text.data(), command.text.size() - 1);
  ask(command);
}

std::string DemoClient::read() {
  return ask({.verb = Verb::kRead}).text.data();
}

UniqueFd DemoClient::share() {
  UniqueFd fd;
  ask({.verb = Verb::kShare}, {}, &fd);
  return fd;
}

std::string DemoClient::read_shared(const UniqueFd& fd) {
  return ask({.verb = Verb::kReadShared}, fd).text.data();
}

void DemoClient::release() {
  ask({.verb = Verb::kRelease});
}

}  // namespace panbo::demo
