#include "daemon/app/log_sink.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spdlog/logger.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

namespace panbo {
namespace {

class LogSinkTest : public testing::Test {
 protected:
  LogSinkTest() : before_(std::signal(SIGPIPE, SIG_IGN)) {}
  ~LogSinkTest() override { std::signal(SIGPIPE, before_); }

  void make_pipe() {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    reader_.reset(ends[0]);
    writer_.reset(ends[1]);
    // The least that the kernel gives.
    ASSERT_GT(::fcntl(writer_.get(), F_SETPIPE_SZ, 4096), 0);
    ::fcntl(reader_.get(), F_SETFL, O_NONBLOCK);
  }
  void make_sockets() {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    reader_.reset(ends[0]);
    writer_.reset(ends[1]);
    ::fcntl(reader_.get(), F_SETFL, O_NONBLOCK);
  }
  void start(LogSink::Form form) {
    log_.emplace("test", std::make_shared<LogSink>(writer_.get(), form));
    log_->set_pattern(form == LogSink::Form::kJournal ? "%v" : "%^%l%$ %v");
  }
  std::string read_all() {
    std::string text;
    std::array<char, 4096> part;
    for (ssize_t n = 0; (n = ::read(reader_.get(), part.data(), part.size())) > 0;) {
      text.append(part.data(), static_cast<size_t>(n));
    }
    return text;
  }
  /// Logs more than the reader's end can hold, one line of 100 bytes after the other.
  void flood() {
    for (int i = 0; i < 10'000; ++i) log_->info("{:094}", i);
  }

  UniqueFd reader_;
  UniqueFd writer_;
  std::optional<spdlog::logger> log_;

 private:
  void (*const before_)(int);
};

TEST_F(LogSinkTest, WritesWholeLines) {
  make_pipe();
  start(LogSink::Form::kPlain);
  log_->warn("one");
  log_->info("two");
  EXPECT_EQ(read_all(), "warning one\ninfo two\n");
}

TEST_F(LogSinkTest, ColoursTheLevel) {
  make_pipe();
  start(LogSink::Form::kColour);
  log_->info("well");
  EXPECT_EQ(read_all(), "\033[32minfo\033[m well\n");
}

TEST_F(LogSinkTest, TellsTheJournalThePriority) {
  make_sockets();
  start(LogSink::Form::kJournal);
  log_->critical("a");
  log_->error("b");
  log_->warn("c");
  log_->info("d");
  EXPECT_EQ(read_all(), "<2>a\n<3>b\n<4>c\n<6>d\n");
}

/// Each line of a flood is there in its place, or was counted there.
void expect_whole_and_counted(const std::string& text) {
  std::istringstream lines(text);
  int next = 0;
  int notices = 0;
  for (std::string line; std::getline(lines, line) && line != "info there again";) {
    int left_out = 0;
    if (std::sscanf(line.c_str(), "warning %d lines were left out, since nobody read the log", &left_out) == 1) {
      next += left_out;
      ++notices;
    } else {
      ASSERT_EQ(line, fmt::format("info {:094}", next++));
    }
  }
  EXPECT_EQ(next, 10'000);
  EXPECT_GT(notices, 0);
  EXPECT_TRUE(text.ends_with("\ninfo there again\n"));
}

TEST_F(LogSinkTest, LeavesOutAndCountsWhatAPipeDoesNotTake) {
  make_pipe();
  start(LogSink::Form::kPlain);
  flood();
  std::string text = read_all();
  log_->info("there again");
  text += read_all();
  expect_whole_and_counted(text);
  EXPECT_EQ(::fcntl(writer_.get(), F_GETFL) & O_NONBLOCK, 0) << "others write there too, and want to wait";
}

TEST_F(LogSinkTest, LeavesOutAndCountsWhatASocketDoesNotTake) {
  make_sockets();
  start(LogSink::Form::kPlain);
  flood();
  std::string text = read_all();
  log_->info("there again");
  text += read_all();
  expect_whole_and_counted(text);
}

TEST_F(LogSinkTest, ALineThatIsTakenInPartGoesOnLater) {
  make_pipe();
  start(LogSink::Form::kPlain);
  const std::string longer(6000, 'x');
  log_->info(longer);
  std::string text = read_all();
  EXPECT_LT(text.size(), longer.size());
  log_->info("next");
  text += read_all();
  EXPECT_EQ(text, "info " + longer + "\ninfo next\n");
}

TEST_F(LogSinkTest, AReaderThatIsGoneIsNoHarm) {
  for (const bool sockets : {false, true}) {
    sockets ? make_sockets() : make_pipe();
    start(LogSink::Form::kPlain);
    reader_.reset();
    log_->info("nobody hears");
  }
}

TEST_F(LogSinkTest, AReaderThatWasGoneAtTheStartIsNoHarm) {
  // Such a pipe cannot be opened once more.
  make_pipe();
  reader_.reset();
  start(LogSink::Form::kPlain);
  log_->info("nobody hears");
}

}  // namespace
}  // namespace panbo
