#include "tests/support/fake_daemon.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "proto/packet.h"
#include "proto/size_class.h"

namespace panbo::test {
namespace {

constexpr uint64_t kPage = 4096;

void check(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(std::string(what) + ": " + Errno::last().message());
}

UniqueFd listen_at(const std::string& path) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  check(socket.valid(), "socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  check(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0, "bind");
  check(::listen(socket.get(), 16) == 0, "listen");
  return socket;
}

}  // namespace

UniqueFd make_memfd(uint64_t size) {
  UniqueFd fd(::memfd_create("fake-bo", MFD_CLOEXEC));
  check(fd.valid() && ::ftruncate(fd.get(), static_cast<off_t>(size)) == 0, "memfd");
  return fd;
}

std::vector<int> borrow(const std::vector<UniqueFd>& fds) {
  std::vector<int> borrowed;
  for (const UniqueFd& fd : fds) borrowed.push_back(fd.get());
  return borrowed;
}

wire::Grant describe(int fd, uint64_t lease_id) {
  struct stat status;
  check(::fstat(fd, &status) == 0, "fstat");
  wire::Grant grant;
  grant.set_lease_id(lease_id);
  grant.set_size(static_cast<uint64_t>(status.st_size));
  grant.set_inode(status.st_ino);
  grant.set_origin(wire::ORIGIN_FRESH);
  return grant;
}

void FakeDaemon::Peer::send(const wire::Envelope& envelope, const std::vector<int>& fds) {
  send_bytes(envelope.SerializeAsString(), fds);
}

void FakeDaemon::Peer::send_bytes(std::string_view bytes, const std::vector<int>& fds) {
  // A client that has gone is none of the daemon's trouble.
  static_cast<void>(send_packet(socket_.get(), std::as_bytes(std::span(bytes)), fds, 0));
}

void FakeDaemon::Peer::fail(uint64_t request_id, wire::FailureCode code) {
  wire::Envelope answer;
  answer.set_request_id(request_id);
  answer.mutable_failure()->set_code(code);
  answer.mutable_failure()->set_message("because the test wants it");
  send(answer);
}

void FakeDaemon::Peer::hang_up() {
  ::shutdown(socket_.get(), SHUT_RDWR);
}

FakeDaemon::FakeDaemon() : stop_(::eventfd(0, EFD_CLOEXEC)) {
  check(stop_.valid(), "eventfd");
  std::string pattern = std::filesystem::temp_directory_path() / "panbo-test-XXXXXX";
  check(::mkdtemp(pattern.data()) != nullptr, "mkdtemp");
  directory_ = pattern;
  socket_path_ = directory_ + "/socket";
  start();
}

void FakeDaemon::start() {
  listener_ = listen_at(socket_path_);
  thread_ = std::thread([this] { run(); });
}

void FakeDaemon::lend_tables(uint32_t max_extra) {
  const std::lock_guard lock(mutex_);
  lends_tables_ = true;
  max_extra_ = max_extra;
}

std::shared_ptr<FakeLeaseTable> FakeDaemon::table() {
  const std::lock_guard lock(mutex_);
  return table_;
}

FakeDaemon::~FakeDaemon() {
  stop();
  std::filesystem::remove_all(directory_);
}

void FakeDaemon::stop() {
  if (!thread_.joinable()) return;
  check(::eventfd_write(stop_.get(), 1) == 0, "eventfd_write");
  thread_.join();
  eventfd_t stopped;
  check(::eventfd_read(stop_.get(), &stopped) == 0, "eventfd_read");
  listener_.reset();
  std::filesystem::remove(socket_path_);
}

void FakeDaemon::follow(Script script) {
  const std::lock_guard lock(mutex_);
  script_ = std::move(script);
}

void FakeDaemon::serve(Peer& peer, const wire::Envelope& request) {
  wire::Envelope answer;
  answer.set_request_id(request.request_id());
  if (request.has_hello()) {
    std::vector<int> fds;
    welcome(*answer.mutable_welcome(), request.hello().lease_table(), fds);
    peer.send(answer, fds);
  } else if (request.has_alloc()) {
    std::vector<UniqueFd> fds;
    grant(request.alloc(), *answer.mutable_granted(), fds);
    peer.send(answer, borrow(fds));
  }
}

void FakeDaemon::welcome(wire::Welcome& welcome, bool wants_table, std::vector<int>& fds) {
  welcome.set_protocol_version(1);
  welcome.set_daemon_version("fake");
  welcome.set_client_id(1);
  welcome.set_max_bo_size(1 << 30);
  welcome.set_page_size(kPage);
  const std::lock_guard lock(mutex_);
  table_ = lends_tables_ && wants_table ? std::make_shared<FakeLeaseTable>() : nullptr;
  if (table_ == nullptr) return;
  welcome.set_lease_table_words(kLeaseTableWords);
  fds = table_->fds_of_client();
}

void FakeDaemon::grant(const wire::Alloc& alloc, wire::Granted& granted, std::vector<UniqueFd>& fds) {
  const auto table = this->table();
  const auto lend = [&](const wire::AllocItem& item, bool in_use) {
    const bool is_heap = (item.flags() & wire::ALLOC_FLAG_HEAP) != 0;
    fds.push_back(make_memfd(size_class(item.size(), is_heap ? kHeapGranule : kPage)));
    wire::Grant& grant = *granted.add_grants();
    grant = describe(fds.back().get(), ++last_lease_);
    if (table != nullptr) grant.set_slot(table->add(last_lease_, in_use));
    return &grant;
  };
  for (const wire::AllocItem& item : alloc.items()) lend(item, true);
  for (int i = 0; i < alloc.items_size(); ++i) {
    const uint32_t extra = table != nullptr ? std::min(alloc.items(i).extra(), max_extra_) : 0;
    for (uint32_t n = 0; n < extra; ++n) lend(alloc.items(i), false)->set_extra_of(static_cast<uint32_t>(i) + 1);
  }
}

FakeDaemon::Script FakeDaemon::script() {
  const std::lock_guard lock(mutex_);
  return script_;
}

bool FakeDaemon::becomes(const std::function<bool(const Seen&)>& condition) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return condition(seen_); });
}

FakeDaemon::Seen FakeDaemon::seen() {
  const std::lock_guard lock(mutex_);
  return seen_;
}

void FakeDaemon::broadcast(const wire::Envelope& envelope) {
  const std::lock_guard lock(mutex_);
  for (auto& [fd, peer] : peers_) peer.send(envelope);
}

void FakeDaemon::run() {
  for (;;) {
    std::vector<pollfd> fds{{stop_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    for (const auto& [fd, peer] : peers_) fds.push_back({fd, POLLIN, 0});
    check(::poll(fds.data(), fds.size(), -1) > 0, "poll");
    if (fds[0].revents != 0) break;
    if (fds[1].revents != 0) accept_peer();
    for (size_t i = 2; i < fds.size(); ++i) {
      if (fds[i].revents != 0) read_from(peers_.at(fds[i].fd));
    }
  }
  const std::lock_guard lock(mutex_);
  peers_.clear();
}

void FakeDaemon::accept_peer() {
  UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  check(socket.valid(), "accept");
  const std::lock_guard lock(mutex_);
  ++seen_.connects;
  const int fd = socket.get();
  peers_.emplace(fd, Peer(std::move(socket)));
  changed_.notify_all();
}

void FakeDaemon::read_from(Peer& peer) {
  std::array<std::byte, limits::kMaxPacketBytes> buffer;
  ReceivedFds fds;
  const auto packet = receive_packet(peer.fd(), buffer, fds, 0);
  if (!packet || packet->status != PacketStatus::kComplete) {
    const std::lock_guard lock(mutex_);
    ++seen_.disconnects;
    peers_.erase(peer.fd());
    changed_.notify_all();
    return;
  }
  wire::Envelope request;
  check(request.ParseFromArray(buffer.data(), static_cast<int>(packet->bytes)), "the client's packet");
  // Noted first: who has the answer can count on the note.
  note(request);
  if (const Script script = this->script(); !script || !script(peer, request)) serve(peer, request);
}

void FakeDaemon::note(const wire::Envelope& request) {
  const std::lock_guard lock(mutex_);
  const auto& released = request.release().lease_ids();
  seen_.requests.push_back(request);
  seen_.released.insert(seen_.released.end(), released.begin(), released.end());
  changed_.notify_all();
}

}  // namespace panbo::test
