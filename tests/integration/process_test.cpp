// panbod as a process: how it starts, what it says, how it ends.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "tests/integration/panbod_test.h"

namespace panbo {
namespace {

struct Ended {
  int status = -1;
  std::string output;
};

/// Runs panbod with `arguments` until it ends by itself.
Ended run_panbod(const std::string& arguments) {
  const std::string command = panbod_executable() + " " + arguments + " 2>&1";
  FILE* pipe = ::popen(command.c_str(), "r");
  Ended ended;
  char line[512];
  while (std::fgets(line, sizeof(line), pipe) != nullptr) ended.output += line;
  ended.status = WEXITSTATUS(::pclose(pipe));
  return ended;
}

class ProcessTest : public testing::Test {
 protected:
  ProcessTest() {
    std::string pattern = "/tmp/panbo-test-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~ProcessTest() override { std::filesystem::remove_all(directory_); }

  [[nodiscard]] std::string config(const std::string& text) const {
    std::ofstream(directory_ + "/panbod.toml") << text;
    return "--config " + directory_ + "/panbod.toml --device sim --socket " + directory_ + "/panbo.sock";
  }

  std::string directory_;
};

TEST_F(ProcessTest, EndsCleanlyOnSigtermAndTakesItsSocketsAlong) {
  PanbodProcess daemon;
  const std::string socket = daemon.socket_path();
  const std::string admin = daemon.admin_socket_path();
  ASSERT_TRUE(std::filesystem::exists(socket));
  const int status = daemon.stop();
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_FALSE(std::filesystem::exists(socket));
  EXPECT_FALSE(std::filesystem::exists(admin));
}

TEST_F(ProcessTest, EndsInOrderWhenItsTerminalIsClosed) {
  PanbodProcess daemon;
  const std::string socket = daemon.socket_path();
  EXPECT_EQ(daemon.stop(SIGHUP), 0);
  EXPECT_FALSE(std::filesystem::exists(socket));
  EXPECT_NE(daemon.log().find("stopping on SIGHUP"), std::string::npos) << daemon.log();
}

TEST_F(ProcessTest, OutlivesItsTerminalUnderNohup) {
  const auto before = std::signal(SIGHUP, SIG_IGN);
  PanbodProcess daemon;
  std::signal(SIGHUP, before);
  ::kill(daemon.pid(), SIGHUP);
  EXPECT_TRUE(WirePeer::can_connect(daemon.socket_path()));
  EXPECT_EQ(daemon.stop(), 0);
  EXPECT_NE(daemon.log().find("stopping on SIGTERM"), std::string::npos) << daemon.log();
}

TEST_F(ProcessTest, EndsWithLeasesAndRequestsUnderWay) {
  PanbodProcess daemon;
  WirePeer peer(daemon.socket_path());
  peer.hello();
  const FromDaemon lease = peer.alloc(64 * kMiB);
  wire::Envelope message;
  for (int i = 0; i < 8; ++i) message.mutable_alloc()->add_items()->set_size(16 * kMiB);
  peer.send(message);
  EXPECT_EQ(daemon.stop(), 0);
}

TEST_F(ProcessTest, SaysWhatToDoWithoutAGpu) {
  if (std::filesystem::exists("/dev/dri")) GTEST_SKIP() << "this machine may have one";
  for (const std::string arguments : {"", "--device auto"}) {
    const Ended ended = run_panbod(arguments + " --socket " + directory_ + "/panbo.sock");
    EXPECT_EQ(ended.status, 1);
    EXPECT_NE(ended.output.find("--device sim"), std::string::npos) << ended.output;
  }
  EXPECT_EQ(run_panbod("--device panfrost --socket " + directory_ + "/panbo.sock").status, 1);
}

TEST_F(ProcessTest, fault_34_a_setting_that_makes_no_sense_is_refused_with_the_line_and_for_good) {
  const Ended unknown = run_panbod(config("# comment\n[cache]\nmaximum = 5\n"));
  EXPECT_EQ(unknown.status, EX_CONFIG);
  EXPECT_NE(unknown.output.find("panbod.toml:3: unknown key cache.maximum"), std::string::npos) << unknown.output;
  const Ended bad = run_panbod(config("[cache]\nmax = -1\n"));
  EXPECT_EQ(bad.status, EX_CONFIG);
  EXPECT_NE(bad.output.find("panbod.toml:2: cache.max must be"), std::string::npos) << bad.output;
  EXPECT_EQ(run_panbod("--log-level loud").status, 2);
  EXPECT_EQ(run_panbod("--config " + directory_ + "/none.toml").status, EX_CONFIG);
  EXPECT_EQ(run_panbod("--device gpu --socket " + directory_ + "/panbo.sock").status, EX_CONFIG);
  EXPECT_EQ(run_panbod(config("[client]\nbytes = \"2GiB\"\n[user]\nbytes = \"1GiB\"\n")).status, EX_CONFIG);
}

TEST_F(ProcessTest, RefusesTheSocketOfALivingDaemon) {
  const PanbodProcess daemon;
  const Ended second = run_panbod("--device sim --socket " + daemon.socket_path());
  EXPECT_EQ(second.status, 1);
  EXPECT_NE(second.output.find("another panbod listens there"), std::string::npos) << second.output;
  EXPECT_TRUE(WirePeer::can_connect(daemon.socket_path()));
}

TEST_F(ProcessTest, fault_30_the_table_of_fds_need_not_grow_while_clients_wait) {
  const PanbodProcess daemon;
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  std::ifstream status("/proc/" + std::to_string(daemon.pid()) + "/status");
  uint64_t size = 0;
  for (std::string word; status >> word && word != "FDSize:";) continue;
  status >> size;
  EXPECT_GE(size, std::min<uint64_t>(limit.rlim_max, 65536));
}

TEST_F(ProcessTest, ServesAProgramInC99) {
  const PanbodProcess daemon;
  const std::string command = executable_directory() + "/panbo-c99-client " + daemon.socket_path();
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 0);
}

TEST_F(ProcessTest, SocketsHaveTheModesThatTheirUsersNeed) {
  const PanbodProcess daemon;
  struct stat clients {};
  struct stat administrators {};
  ASSERT_EQ(::stat(daemon.socket_path().c_str(), &clients), 0);
  ASSERT_EQ(::stat(daemon.admin_socket_path().c_str(), &administrators), 0);
  EXPECT_EQ(clients.st_mode & 0777, 0666u);
  EXPECT_EQ(administrators.st_mode & 0777, 0600u);
}

TEST_F(ProcessTest, PanboctlShowsTheSettingsInForce) {
  const PanbodProcess daemon("sim", "# Small.\n[cache]\nmax = \"1MiB\"\n");
  const std::string command =
      executable_directory() + "/panboctl --admin-socket " + daemon.admin_socket_path() + " config";
  FILE* pipe = ::popen(command.c_str(), "r");
  std::map<std::string, std::string> rows;
  char line[512];
  while (std::fgets(line, sizeof(line), pipe) != nullptr) {
    std::istringstream words(line);
    std::string key;
    words >> key;
    std::getline(words >> std::ws, rows[key]);
  }
  EXPECT_EQ(::pclose(pipe), 0);
  EXPECT_EQ(rows["cache.max"].find("1.0 MiB "), 0u) << rows["cache.max"];
  EXPECT_TRUE(rows["cache.max"].ends_with(daemon.config_path() + ":3")) << rows["cache.max"];
  EXPECT_TRUE(rows["device"].ends_with(" --device")) << rows["device"];
  EXPECT_EQ(rows["socket"].find(daemon.socket_path()), 0u) << rows["socket"];
  EXPECT_NE(rows["total.max"].find("default: three quarters of "), std::string::npos) << rows["total.max"];
}

}  // namespace
}  // namespace panbo
