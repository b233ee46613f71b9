// A service lends frames to an app, which keeps what nobody can see of one: it must not see what the service does next.
//
// On a board that is a mapping that the app made through its own DRM file. The simulated device sees every mapping, so
// here the app keeps the memory's page in a pipe: the kernel moves pages there, not what is in them.
#include <fcntl.h>
#include <panbo.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <array>
#include <cstring>

#include "tests/integration/panbod_test.h"
#include "tests/support/client.h"

namespace panbo {
namespace {

using test::Client;

constexpr size_t kPage = 4096;

void* map(int fd) {
  return ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

/// The other process. It exits with 0 if all went well.
class App {
 public:
  App() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("socketpair");
    service_.reset(ends[0]);
    app_.reset(ends[1]);
    pid_ = ::fork();
    if (pid_ == 0) {
      service_.reset();
      ::_exit(run() ? 0 : 1);
    }
    app_.reset();
  }
  ~App() {
    service_.reset();
    ::waitpid(pid_, nullptr, 0);
  }
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  /// Returns when the app has closed the fd and its mapping.
  void show(int dma_buf) {
    const char byte = 0;
    const std::array fds{dma_buf};
    EXPECT_TRUE(send_packet(service_.get(), std::as_bytes(std::span(&byte, 1)), fds, 0));
    EXPECT_EQ(answer(), "seen");
  }
  /// What is in the page that the app has kept.
  std::string what_it_sees() {
    EXPECT_EQ(::send(service_.get(), "?", 1, MSG_NOSIGNAL), 1);
    return answer();
  }

 private:
  [[nodiscard]] std::string answer() const {
    std::array<char, kPage> text{};
    const ssize_t n = ::recv(service_.get(), text.data(), text.size() - 1, 0);
    return n < 0 ? "no answer" : text.data();
  }

  [[nodiscard]] bool run() const {
    int pipe[2];
    std::array<std::byte, kPage> page;
    ReceivedFds fds;
    if (::pipe2(pipe, O_CLOEXEC) != 0 || !receive_packet(app_.get(), page, fds, 0) || fds.count() != 1) return false;
    {
      const UniqueFd dma_buf = fds.take(0);
      void* memory = map(dma_buf.get());
      const iovec whole{.iov_base = memory, .iov_len = kPage};
      if (memory == MAP_FAILED || ::vmsplice(pipe[1], &whole, 1, 0) != kPage) return false;
      ::munmap(memory, kPage);
    }
    if (::send(app_.get(), "seen", 5, MSG_NOSIGNAL) != 5 || ::recv(app_.get(), page.data(), 1, 0) != 1) return false;
    if (::read(pipe[0], page.data(), page.size()) != kPage) return false;
    const size_t length = ::strnlen(reinterpret_cast<const char*>(page.data()), kPage);
    return ::send(app_.get(), page.data(), length, MSG_NOSIGNAL) == static_cast<ssize_t>(length);
  }

  UniqueFd service_;
  UniqueFd app_;
  pid_t pid_ = -1;
};

class LentFrameTest : public PanbodTest {
 protected:
  /// The service draws a frame.
  static void draw(panbo_bo* bo, const char* what) {
    void* memory = map(panbo_bo_get_fd(bo));
    ASSERT_NE(memory, MAP_FAILED);
    std::strcpy(static_cast<char*>(memory), what);
    ::munmap(memory, kPage);
  }
  void await_given_back() {
    await("nothing is leased, drains or is held", [this] {
      const auto stats = admin_.stats();
      return stats.leased().count() + stats.draining().count() + stats.held().count() == 0;
    });
  }

  /// What the app sees in a frame that the service lent it, when the service has drawn the next one.
  std::string seen_by_the_app(uint32_t release_flags) {
    await_given_back();
    admin_.evict_all();
    App app;
    Client service("camera", daemon_.socket_path());
    panbo_bo* frame = service.alloc(kPage);
    draw(frame, "first frame");
    app.show(panbo_bo_get_fd(frame));
    EXPECT_EQ(panbo_bo_release(frame, release_flags), 0);
    await_given_back();
    panbo_bo* next = service.alloc(kPage);
    draw(next, "a secret");
    return app.what_it_sees();
  }
};

TEST_F(LentFrameTest, WhoeverKeptAFrameDoesNotSeeTheNextOne) {
  EXPECT_EQ(seen_by_the_app(PANBO_RELEASE_SHARED), "first frame");
}

TEST_F(LentFrameTest, WhatTheServiceDoesNotSayTheDaemonCannotKnow) {
  // The test above would pass as well if the app could keep nothing.
  EXPECT_EQ(seen_by_the_app(0), "a secret");
}

}  // namespace
}  // namespace panbo
