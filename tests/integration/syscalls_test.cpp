// What a hit in a client's own unused leases asks of the kernel, as strace sees it: all threads of the client, from one
// call that nobody else makes to the next.
#include <fcntl.h>
#include <panbo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/panbod_test.h"
#include "tests/support/await.h"
#include "tests/support/client.h"
#include "tests/support/strace.h"
#include "tests/support/threads.h"

namespace panbo {
namespace {

using test::Client;
using test::Strace;

constexpr std::string_view kMark = "getppid(";

/// A client in a process of its own, which hits `pairs` times when it is told to.
class Hitter {
 public:
  Hitter(const std::string& socket_path, int pairs, uint32_t release_flags) {
    int down[2];
    int up[2];
    if (::pipe2(down, O_CLOEXEC) != 0 || ::pipe2(up, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(down[1]);
      work(socket_path, pairs, release_flags, down[0], up[1]);
    }
    go_.reset(down[1]);
    done_.reset(up[0]);
    ::close(down[0]);
    ::close(up[1]);
    hear(done_.get());
  }
  ~Hitter() {
    go_.reset();
    ::waitpid(pid_, nullptr, 0);
  }
  Hitter(const Hitter&) = delete;
  Hitter& operator=(const Hitter&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  void run() {
    say(go_.get());
    hear(done_.get());
  }
  /// Whether all of them were hits.
  bool all_hit() {
    say(go_.get());
    int status = -1;
    ::waitpid(pid_, &status, 0);
    return status == 0;
  }

 private:
  // noexcept: an exception must not get to the caller's caller, in this process.
  [[noreturn]] static void work(const std::string& socket_path, int pairs, uint32_t release_flags, int go,
                                int done) noexcept {
    Client client("hitter", socket_path, 0);
    hit(client, release_flags);
    await("the library's thread has nothing to do", test::other_threads_wait);
    say(done);
    hear(go);
    ::getppid();
    int local = 0;
    for (int i = 0; i < pairs; ++i) local += hit(client, release_flags);
    ::getppid();
    say(done);
    hear(go);
    ::_exit(local == pairs ? 0 : 1);
  }
  static int hit(Client& client, uint32_t release_flags) {
    panbo_bo* bo = client.alloc(65536);
    const bool local = panbo_bo_get_origin(bo) == PANBO_ORIGIN_LOCAL;
    client.release(bo, release_flags);
    return local ? 1 : 0;
  }
  static void say(int fd) {
    const char byte = 0;
    if (::write(fd, &byte, 1) != 1) ::_exit(2);
  }
  static void hear(int fd) {
    char byte;
    if (::read(fd, &byte, 1) < 0) ::_exit(2);
  }

  pid_t pid_ = -1;
  UniqueFd go_;
  UniqueFd done_;
};

class SyscallsTest : public PanbodTest {
 protected:
  /// What strace saw between the marks.
  std::vector<std::string> syscalls_of(int pairs, uint32_t release_flags) {
    Hitter hitter(daemon_.socket_path(), pairs, release_flags);
    Strace trace(hitter.pid());
    hitter.run();
    EXPECT_TRUE(hitter.all_hit());
    auto lines = trace.wait();
    // Not calls: what a thread was in when strace came, and the second half of a line that another one interrupted.
    std::erase_if(lines, [](const std::string& line) {
      return line.find(" <... ") != std::string::npos || line.find("(<... ") != std::string::npos;
    });
    const auto is_mark = [](const std::string& line) { return line.find(kMark) != std::string::npos; };
    const auto first = std::find_if(lines.begin(), lines.end(), is_mark);
    const auto last = first == lines.end() ? first : std::find_if(first + 1, lines.end(), is_mark);
    EXPECT_NE(last, lines.end());
    return last == lines.end() ? lines : std::vector(first + 1, last);
  }
};

TEST_F(SyscallsTest, AMillionHitsThatWereReleasedIdleTakeNone) {
  EXPECT_EQ(syscalls_of(1'000'000, PANBO_RELEASE_IDLE), std::vector<std::string>());
}

TEST_F(SyscallsTest, AHitThatMayBeBusyTakesOnePoll) {
  constexpr int kPairs = 1000;
  const auto lines = syscalls_of(kPairs, 0);
  EXPECT_EQ(lines.size(), static_cast<size_t>(kPairs)) << testing::PrintToString(lines).substr(0, 2000);
  EXPECT_TRUE(std::ranges::all_of(lines, [](const auto& line) { return line.find("poll(") != std::string::npos; }));
}

}  // namespace
}  // namespace panbo
