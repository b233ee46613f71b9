// A log that nobody reads: it costs lines, and nobody waits for it.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <stdexcept>

#include "tests/integration/panbod_test.h"

namespace panbo {
namespace {

class UnreadLogTest : public testing::Test {
 protected:
  UnreadLogTest() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    reader_.reset(ends[0]);
    writer_.reset(ends[1]);
    // For this end only: the daemon inherits an open file of its own, as it would from a shell.
    ::fcntl(reader_.get(), F_SETFL, O_NONBLOCK);
    daemon_.emplace("sim", "", writer_.get());
    // It has said then that it serves.
    expect_served();
  }

  /// A client that misbehaves, which is one line in the log, and is gone.
  void cause_a_line() const {
    WirePeer peer(daemon_->socket_path());
    peer.hello();
    peer.send_raw({});
    peer.await_end();
  }

  void expect_served() const {
    WirePeer peer(daemon_->socket_path());
    peer.hello();
    EXPECT_TRUE(peer.alloc(4096).message.has_granted());
  }

  /// Writes until the pipe takes no more.
  void fill() const {
    // Through a file description of our own: that of writer_ is the daemon's too, and must go on blocking.
    const UniqueFd own(::open(("/proc/self/fd/" + std::to_string(writer_.get())).c_str(), O_WRONLY | O_NONBLOCK));
    ASSERT_TRUE(own.valid());
    const std::array<char, 4096> part{};
    while (::write(own.get(), part.data(), part.size()) > 0) continue;
    while (::write(own.get(), part.data(), 1) > 0) continue;
  }

  /// What the pipe has.
  std::string read_all() const {
    std::string text;
    std::array<char, 4096> part;
    for (ssize_t n = 0; (n = ::read(reader_.get(), part.data(), part.size())) > 0;) {
      text.append(part.data(), static_cast<size_t>(n));
    }
    return text;
  }

  /// Ended last: one that waits for the pipe ends with the pipe.
  std::optional<PanbodProcess> daemon_;
  UniqueFd reader_;
  UniqueFd writer_;
};

TEST_F(UnreadLogTest, fault_34_a_log_whose_reader_is_gone_does_not_end_the_daemon) {
  writer_.reset();
  reader_.reset();
  cause_a_line();
  expect_served();
  EXPECT_EQ(daemon_->stop(), 0) << "which it says into the same pipe";
}

TEST_F(UnreadLogTest, fault_34_a_log_that_nobody_reads_holds_nobody_up) {
  fill();
  for (int i = 0; i < 3; ++i) cause_a_line();
  expect_served();
  read_all();
  cause_a_line();
  const std::string log = read_all();
  EXPECT_NE(log.find("3 lines were left out, since nobody read the log"), std::string::npos) << log;
  EXPECT_NE(log.find("empty packet"), std::string::npos) << log;
  fill();
  EXPECT_EQ(daemon_->stop(), 0);
}

}  // namespace
}  // namespace panbo
