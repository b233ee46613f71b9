#include "daemon/app/listening_socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "daemon/app/settings.h"
#include "tests/support/fds.h"
#include "tests/support/in_child.h"
#include "tests/support/log_capture.h"

namespace panbo::test {
namespace {

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

UniqueFd socket_of(int type) {
  return UniqueFd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
}

bool can_connect(const std::string& path) {
  const sockaddr_un address = address_of(path);
  const UniqueFd fd = socket_of(SOCK_SEQPACKET);
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

/// A socket at `path`, as systemd or another daemon would make one.
UniqueFd listen_at(const std::string& path, int type = SOCK_SEQPACKET) {
  const sockaddr_un address = address_of(path);
  UniqueFd fd = socket_of(type);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(::listen(fd.get(), 5), 0);
  return fd;
}

class ListeningSocketTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directory(dir_); }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string refusal(const std::string& path) {
    try {
      const auto socket = ListeningSocket::create(path, 0600);
      return "";
    } catch (const StartError& error) {
      return error.what();
    } catch (const SettingsError& error) {
      return error.what();
    }
  }
  bool is_refused_because(const std::string& path, const std::string& why) {
    const std::string what = refusal(path);
    EXPECT_NE(what.find(why), std::string::npos) << what;
    EXPECT_EQ(what.find("cannot listen at " + path), 0u) << what;
    return !what.empty();
  }

  LogCapture log_;
  const std::string dir_ = testing::TempDir() + "panbo-listen-" + std::to_string(::getpid());
  const std::string path_ = dir_ + "/panbo.sock";
};

TEST_F(ListeningSocketTest, AcceptsConnectionsAtItsPathAsLongAsItLives) {
  {
    auto socket = ListeningSocket::create(path_, 0600);
    ASSERT_TRUE(socket.valid());
    EXPECT_FALSE(socket.adopted());
    EXPECT_EQ(socket.path(), path_);
    EXPECT_TRUE(can_connect(path_));
    const UniqueFd fd = socket.take_fd();
    EXPECT_NE(::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_NE(::fcntl(fd.get(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_FALSE(socket.valid());
    EXPECT_TRUE(can_connect(path_)) << "the path stays when the fd is given away";
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(ListeningSocketTest, ThePathBelongsToWhereItIsMoved) {
  ListeningSocket target;
  {
    auto socket = ListeningSocket::create(path_, 0600);
    ListeningSocket through(std::move(socket));
    target = std::move(through);
  }
  EXPECT_TRUE(can_connect(path_));
}

TEST_F(ListeningSocketTest, LeavesAloneWhatAnotherDaemonHasPutInItsPlace) {
  UniqueFd other;
  {
    const auto socket = ListeningSocket::create(path_, 0600);
    std::filesystem::rename(path_, path_ + ".old");  // so that the inode's number stays in use
    other = listen_at(path_);
  }
  EXPECT_TRUE(can_connect(path_));
}

TEST_F(ListeningSocketTest, HasItsModeWhateverTheUmaskIs) {
  for (const mode_t mask : {mode_t{0}, mode_t{022}, mode_t{077}, mode_t{0777}}) {
    const mode_t before = ::umask(mask);
    for (const mode_t mode : {mode_t{0666}, mode_t{0600}}) {
      const auto socket = ListeningSocket::create(path_, mode);
      struct stat status;
      ASSERT_EQ(::stat(path_.c_str(), &status), 0);
      EXPECT_EQ(status.st_mode & 07777, mode);
    }
    EXPECT_EQ(::umask(before), mask) << "and leaves that as it was";
  }
}

TEST_F(ListeningSocketTest, ReplacesWhatADeadDaemonLeft) {
  listen_at(path_).reset();
  ASSERT_TRUE(std::filesystem::exists(path_));
  const auto socket = ListeningSocket::create(path_, 0600);
  EXPECT_TRUE(can_connect(path_));
  EXPECT_EQ(log_.count("removing " + path_), 1u);
}

TEST_F(ListeningSocketTest, DoesNotTakeTheSocketOfADaemonThatIsAlive) {
  const UniqueFd other = listen_at(path_);
  EXPECT_TRUE(is_refused_because(path_, "another panbod listens there"));
  EXPECT_TRUE(can_connect(path_));
}

TEST_F(ListeningSocketTest, ADaemonThatIsTooBusyToAcceptIsAlive) {
  const UniqueFd other = listen_at(path_);
  ASSERT_EQ(::listen(other.get(), 0), 0);
  ASSERT_TRUE(can_connect(path_)) << "fills the backlog";
  EXPECT_TRUE(is_refused_because(path_, "another panbod listens there"));
}

TEST_F(ListeningSocketTest, ALockOnItsFolderKeepsNobodyFromListening) {
  // Whoever may read the folder can have this one.
  const UniqueFd folder(::open(dir_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::flock(folder.get(), LOCK_EX), 0);
  EXPECT_TRUE(in_child([this] {
    ::alarm(10);
    return refusal(path_).empty();
  }));
}

TEST_F(ListeningSocketTest, LeavesNothingBesideItsSocket) {
  const auto socket = ListeningSocket::create(path_, 0600);
  const std::filesystem::directory_iterator entries(dir_);
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
}

TEST_F(ListeningSocketTest, DoesNotWaitForALockThatOthersCanTake) {
  const std::string lock = path_ + ".lock";
  std::ofstream(lock) << "";
  std::filesystem::permissions(lock, std::filesystem::perms(0644));
  EXPECT_TRUE(is_refused_because(path_, "cannot lock " + lock));
  std::filesystem::remove(lock);
  std::filesystem::create_symlink("/dev/null", lock);
  EXPECT_TRUE(is_refused_because(path_, "cannot lock " + lock));
  std::filesystem::remove(lock);
  EXPECT_EQ(refusal(path_), "");
}

TEST_F(ListeningSocketTest, TakesALockFileThatADeadDaemonLeft) {
  const std::string lock = path_ + ".lock";
  std::ofstream(lock) << "";
  std::filesystem::permissions(lock, std::filesystem::perms(0600));
  EXPECT_EQ(refusal(path_), "");
  EXPECT_FALSE(std::filesystem::exists(lock));
}

TEST_F(ListeningSocketTest, OfManyThatStartAtTheSameMomentOneListens) {
  for (int round = 0; round < 20; ++round) {
    std::filesystem::remove(path_);
    listen_at(path_).reset();
    int gate[2];
    ASSERT_EQ(::pipe2(gate, O_CLOEXEC), 0);
    int result[2];
    ASSERT_EQ(::pipe2(result, O_CLOEXEC), 0);
    std::vector<pid_t> daemons(8);
    for (pid_t& daemon : daemons) {
      daemon = ::fork();
      if (daemon != 0) continue;
      ::close(gate[1]);
      char byte = 0;
      static_cast<void>(!::read(gate[0], &byte, 1));
      ListeningSocket socket;
      byte = 'n';
      try {
        socket = ListeningSocket::create(path_, 0600);
        byte = 'y';
      } catch (const StartError&) {
      }
      static_cast<void>(!::write(result[1], &byte, 1));
      for (;;) ::pause();
    }
    ::close(gate[0]);
    ::close(gate[1]);
    int listen = 0;
    for (size_t i = 0; i < daemons.size(); ++i) {
      char byte = 0;
      ASSERT_EQ(::read(result[0], &byte, 1), 1);
      listen += byte == 'y' ? 1 : 0;
    }
    for (const pid_t daemon : daemons) {
      ::kill(daemon, SIGKILL);
      ::waitpid(daemon, nullptr, 0);
    }
    ::close(result[0]);
    ::close(result[1]);
    ASSERT_EQ(listen, 1) << "in round " << round;
  }
}

TEST_F(ListeningSocketTest, DoesNotTouchWhatIsNoSocket) {
  std::ofstream(path_) << "precious";
  EXPECT_TRUE(is_refused_because(path_, "something else"));
  EXPECT_EQ(std::filesystem::file_size(path_), 8u);
  std::filesystem::create_directory(dir_ + "/directory");
  EXPECT_TRUE(is_refused_because(dir_ + "/directory", "something else"));
  std::filesystem::create_symlink(path_, dir_ + "/link");
  EXPECT_TRUE(is_refused_because(dir_ + "/link", "something else"));
}

TEST_F(ListeningSocketTest, DoesNotTouchASocketOfAnotherKind) {
  const UniqueFd other = listen_at(path_, SOCK_STREAM);
  EXPECT_TRUE(is_refused_because(path_, std::strerror(EPROTOTYPE)));
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(ListeningSocketTest, APathHasALargestLength) {
  constexpr size_t kMost = sizeof(sockaddr_un::sun_path) - 1;
  const std::string longest = dir_ + "/" + std::string(kMost - dir_.size() - 1, 's');
  EXPECT_EQ(refusal(longest), "");
  EXPECT_TRUE(is_refused_because(longest + "s", "from 1 to 107 bytes"));
  EXPECT_TRUE(is_refused_because("", "from 1 to 107 bytes"));
}

TEST_F(ListeningSocketTest, SaysThatTheDirectoryIsMissing) {
  EXPECT_TRUE(is_refused_because(dir_ + "/missing/panbo.sock", "its directory does not exist"));
}

class OpenListeningSocketsTest : public ListeningSocketTest {
 protected:
  void TearDown() override {
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
    ListeningSocketTest::TearDown();
  }

  /// In a child, where the fds from 3 on are free: passes these sockets as systemd would, and does the work.
  template <class Work>
  auto as_service(const std::vector<int>& sockets, const std::string& names, Work work) {
    return in_child([&] {
      // First out of the way of the numbers that they are to have.
      std::vector<int> high;
      for (const int fd : sockets) high.push_back(::fcntl(fd, F_DUPFD, 100));
      for (size_t i = 0; i < high.size(); ++i) ::dup2(high[i], 3 + static_cast<int>(i));
      ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
      ::setenv("LISTEN_FDS", std::to_string(sockets.size()).c_str(), 1);
      ::setenv("LISTEN_FDNAMES", names.c_str(), 1);
      return work();
    });
  }

  const std::string admin_path_ = dir_ + "/admin.sock";
};

TEST_F(OpenListeningSocketsTest, CreatesBothWhereNothingIsPassed) {
  {
    const auto sockets = open_listening_sockets(path_, admin_path_);
    EXPECT_TRUE(can_connect(path_));
    EXPECT_TRUE(can_connect(admin_path_));
    struct stat status;
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0666u);
    ASSERT_EQ(::stat(admin_path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0600u);
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_FALSE(std::filesystem::exists(admin_path_));
}

TEST_F(OpenListeningSocketsTest, AdoptsWhatIsPassedAndLeavesItsPathAlone) {
  const UniqueFd clients = listen_at(path_);
  const UniqueFd administrators = listen_at(admin_path_);
  struct Seen {
    bool right_fds, right_paths, cloexec, nonblocking;
  };
  // Passed in the other order: the names count.
  const Seen seen = as_service({administrators.get(), clients.get()}, "admin:panbo", [&] {
    auto sockets = open_listening_sockets(dir_ + "/unused", dir_ + "/unused-too");
    const bool right_paths = sockets.clients.adopted() && sockets.clients.path() == path_ &&
                             sockets.administrators.adopted() && sockets.administrators.path() == admin_path_;
    const UniqueFd fd = sockets.clients.take_fd();
    const UniqueFd admin_fd = sockets.administrators.take_fd();
    return Seen{.right_fds = fd.get() == 4 && admin_fd.get() == 3,
                .right_paths = right_paths,
                .cloexec = (::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0,
                .nonblocking = (::fcntl(fd.get(), F_GETFL) & O_NONBLOCK) != 0};
  });
  EXPECT_TRUE(seen.right_fds);
  EXPECT_TRUE(seen.right_paths);
  EXPECT_TRUE(seen.cloexec);
  EXPECT_TRUE(seen.nonblocking);
  EXPECT_TRUE(can_connect(path_));
  EXPECT_TRUE(can_connect(admin_path_));
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/unused"));
}

TEST_F(OpenListeningSocketsTest, CreatesTheOneThatIsNotPassed) {
  const UniqueFd clients = listen_at(path_);
  EXPECT_TRUE(as_service({clients.get()}, "panbo", [&] {
    const auto sockets = open_listening_sockets(path_, admin_path_);
    return sockets.clients.valid() && can_connect(admin_path_);
  }));
}

TEST_F(OpenListeningSocketsTest, ClosesWhatItHasNoUseFor) {
  const UniqueFd unknown = listen_at(dir_ + "/unknown");
  const UniqueFd stream = listen_at(dir_ + "/stream", SOCK_STREAM);
  const UniqueFd connected = socket_of(SOCK_SEQPACKET);
  EXPECT_TRUE(as_service({unknown.get(), stream.get(), connected.get()}, "stranger:panbo:admin", [&] {
    const auto sockets = open_listening_sockets(path_, admin_path_);
    return can_connect(path_) && can_connect(admin_path_) && log_.count("systemd passed") == 3;
  }));
}

}  // namespace
}  // namespace panbo::test
