// panboctl as a whole, with a daemon of the test's own.

#include "client/cli/command_line.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "tests/support/fake_daemon.h"

namespace panbo::cli {
namespace {

using test::FakeDaemon;

wire::Client client(uint64_t id) {
  wire::Client client;
  client.set_id(id);
  client.set_name("client " + std::to_string(id));
  return client;
}

class CommandLineTest : public testing::Test {
 protected:
  CommandLineTest() {
    daemon_.follow([](FakeDaemon::Peer& peer, const wire::Envelope& request) {
      wire::Envelope answer;
      answer.set_request_id(request.request_id());
      if (request.has_get_stats()) answer.mutable_stats()->set_daemon_version("4.5.6");
      if (request.has_get_clients()) {
        *answer.mutable_clients()->add_clients() = client(1);
        answer.mutable_clients()->set_more(true);
        peer.send(answer);
        *answer.mutable_clients()->mutable_clients(0) = client(2);
        answer.mutable_clients()->set_more(false);
      }
      if (request.has_get_config()) {
        answer.mutable_config()->add_settings()->set_key("first");
        answer.mutable_config()->set_more(true);
        peer.send(answer);
        answer.mutable_config()->mutable_settings(0)->set_key("second");
        answer.mutable_config()->set_more(false);
      }
      if (request.has_get_labels()) {
        answer.mutable_labels()->add_labels()->set_label("first");
        answer.mutable_labels()->set_more(true);
        peer.send(answer);
        answer.mutable_labels()->mutable_labels(0)->set_label("second");
        answer.mutable_labels()->set_more(false);
      }
      if (request.has_evict()) answer.mutable_evicted()->mutable_evicted()->set_count(2);
      if (request.has_simulate()) answer.mutable_simulated();
      peer.send(answer);
      return true;
    });
    ::setenv("PANBO_ADMIN_SOCKET", daemon_.socket_path().c_str(), 1);
  }
  ~CommandLineTest() override { ::unsetenv("PANBO_ADMIN_SOCKET"); }

  int run(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "panboctl");
    out_.str("");
    err_.str("");
    return run_panboctl(static_cast<int>(arguments.size()), arguments.data(), out_, err_);
  }

  wire::Envelope last_request() { return daemon_.seen().requests.back(); }

  FakeDaemon daemon_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(CommandLineTest, ShowsStats) {
  EXPECT_EQ(run({"stats"}), 0);
  EXPECT_TRUE(out_.str().starts_with("panbod 4.5.6")) << out_.str();
  EXPECT_NE(out_.str().find("2 clients connected"), std::string::npos) << out_.str();
  EXPECT_EQ(err_.str(), "");
}

TEST_F(CommandLineTest, ShowsStatsAsJson) {
  EXPECT_EQ(run({"stats", "--json"}), 0);
  EXPECT_NE(out_.str().find("\"version\": \"4.5.6\""), std::string::npos) << out_.str();
  EXPECT_NE(out_.str().find("\"name\": \"client 2\""), std::string::npos) << out_.str();
}

TEST_F(CommandLineTest, ShowsEveryClientOfALongList) {
  EXPECT_EQ(run({"clients"}), 0);
  EXPECT_NE(out_.str().find("client 1\n"), std::string::npos) << out_.str();
  EXPECT_NE(out_.str().find("client 2\n"), std::string::npos) << out_.str();
  EXPECT_EQ(run({"clients", "--json"}), 0);
  EXPECT_TRUE(out_.str().starts_with("{\n  \"clients\": [\n")) << out_.str();
}

TEST_F(CommandLineTest, ShowsEveryLabelOfALongList) {
  EXPECT_EQ(run({"labels"}), 0);
  EXPECT_NE(out_.str().find("first\n"), std::string::npos) << out_.str();
  EXPECT_NE(out_.str().find("second\n"), std::string::npos) << out_.str();
  EXPECT_EQ(run({"labels", "--json"}), 0);
  EXPECT_TRUE(out_.str().starts_with("{\n  \"labels\": [\n")) << out_.str();
}

TEST_F(CommandLineTest, ShowsEverySettingOfALongList) {
  EXPECT_EQ(run({"config"}), 0);
  EXPECT_TRUE(out_.str().starts_with("key ")) << out_.str();
  EXPECT_NE(out_.str().find("\nfirst "), std::string::npos) << out_.str();
  EXPECT_NE(out_.str().find("\nsecond "), std::string::npos) << out_.str();
  EXPECT_EQ(run({"config", "--json"}), 0);
  EXPECT_TRUE(out_.str().starts_with("{\n  \"settings\": [\n")) << out_.str();
}

TEST_F(CommandLineTest, EvictsWhatItIsTold) {
  EXPECT_EQ(run({"evict", "--all"}), 0);
  EXPECT_EQ(out_.str(), "Evicted 2 BOs, 0 B.\n");
  EXPECT_TRUE(last_request().evict().all());
  EXPECT_EQ(run({"evict", "--bytes", "64MiB"}), 0);
  EXPECT_EQ(last_request().evict().bytes(), 64u << 20);
  EXPECT_EQ(run({"evict", "--uid", "0"}), 0);
  EXPECT_EQ(last_request().evict().what_case(), wire::Evict::kUid);
}

TEST_F(CommandLineTest, EvictsNothingWithoutBeingToldWhat) {
  EXPECT_EQ(run({"evict"}), 2);
  EXPECT_EQ(run({"evict", "--all", "--uid", "0"}), 2);
  EXPECT_EQ(run({"evict", "--bytes", "many"}), 2);
  EXPECT_EQ(run({"evict", "--bytes", "-1"}), 2);
  EXPECT_EQ(run({"evict", "--bytes", "99999999999999TiB"}), 2);
  EXPECT_EQ(run({"evict", "--uid", "-1"}), 2);
  EXPECT_EQ(daemon_.seen().connects, 0);
  EXPECT_NE(err_.str(), "");
}

TEST_F(CommandLineTest, ShowsBothVersions) {
  EXPECT_EQ(run({"version"}), 0);
  EXPECT_TRUE(out_.str().starts_with("panboctl ")) << out_.str();
  EXPECT_TRUE(out_.str().ends_with("\npanbod 4.5.6\n")) << out_.str();
}

TEST_F(CommandLineTest, SimulatesJobs) {
  EXPECT_EQ(run({"sim", "job", "--inode", "7", "--duration", "20"}), 0);
  EXPECT_EQ(last_request().simulate().job().inode(), 7u);
  EXPECT_EQ(last_request().simulate().job().duration_ns(), 20'000'000u);
  EXPECT_FALSE(last_request().simulate().job().end());
  EXPECT_EQ(run({"sim", "job", "--inode", "7"}), 0);
  EXPECT_EQ(last_request().simulate().job().duration_ns(), 0u);
  EXPECT_EQ(run({"sim", "job-end", "--inode", "7"}), 0);
  EXPECT_TRUE(last_request().simulate().job().end());
  EXPECT_EQ(run({"sim", "job", "--inode", "7", "--duration", "0"}), 2);
  EXPECT_EQ(run({"sim", "job"}), 2);
}

TEST_F(CommandLineTest, SimulatesFaults) {
  EXPECT_EQ(run({"sim", "fault", "--call", "create", "--error", "ENOMEM", "--times", "3"}), 0);
  EXPECT_EQ(last_request().simulate().fault().call(), "create");
  EXPECT_EQ(last_request().simulate().fault().error(), ENOMEM);
  EXPECT_EQ(last_request().simulate().fault().times(), 3u);
  EXPECT_EQ(run({"sim", "fault", "--call", "create", "--error", "ENONSENSE", "--times", "3"}), 2);
  EXPECT_EQ(run({"sim", "fault", "--call", "destroy", "--error", "ENOMEM", "--times", "3"}), 2);
}

TEST_F(CommandLineTest, SimulatesTheKernel) {
  EXPECT_EQ(run({"sim", "purge"}), 0);
  EXPECT_TRUE(last_request().simulate().purge());
  EXPECT_EQ(run({"sim", "memory-limit", "1GiB"}), 0);
  EXPECT_EQ(last_request().simulate().memory_limit(), 1u << 30);
  EXPECT_EQ(run({"sim", "memory-limit", "0"}), 0);
  EXPECT_EQ(last_request().simulate().what_case(), wire::Simulate::kMemoryLimit);
}

TEST_F(CommandLineTest, ExplainsSimOnlyToWhoAsks) {
  EXPECT_EQ(run({"--help"}), 0);
  EXPECT_EQ(out_.str().find("sim"), std::string::npos) << out_.str();
  EXPECT_EQ(run({"sim", "--help"}), 0);
  EXPECT_NE(out_.str().find("memory-limit"), std::string::npos) << out_.str();
}

TEST_F(CommandLineTest, TakesTheSocketFromTheCommandLineFirst) {
  ::setenv("PANBO_ADMIN_SOCKET", "/nowhere", 1);
  EXPECT_EQ(run({"stats", "--admin-socket", daemon_.socket_path().c_str()}), 0);
}

TEST_F(CommandLineTest, SaysWhenNoDaemonIsThere) {
  ::setenv("PANBO_ADMIN_SOCKET", "/nowhere/admin.sock", 1);
  EXPECT_EQ(run({"stats"}), 1);
  EXPECT_NE(err_.str().find("/nowhere/admin.sock: is panbod running?"), std::string::npos) << err_.str();
  EXPECT_EQ(out_.str(), "");
}

TEST_F(CommandLineTest, PassesTheDaemonsRefusalOn) {
  daemon_.follow([](FakeDaemon::Peer& peer, const wire::Envelope& request) {
    wire::Envelope answer;
    answer.set_request_id(request.request_id());
    answer.mutable_failure()->set_message("not \x1b today");
    peer.send(answer);
    return true;
  });
  EXPECT_EQ(run({"evict", "--all"}), 1);
  EXPECT_EQ(err_.str(), "panboctl: panbod refused: not \\x1b today\n");
}

TEST_F(CommandLineTest, SaysWhenTheDaemonHangsUp) {
  daemon_.follow([](FakeDaemon::Peer& peer, const wire::Envelope&) {
    peer.hang_up();
    return true;
  });
  EXPECT_EQ(run({"clients"}), 1);
  EXPECT_NE(err_.str().find("closed the connection"), std::string::npos) << err_.str();
}

TEST_F(CommandLineTest, SaysWhenSomethingElseAnswers) {
  daemon_.follow([](FakeDaemon::Peer& peer, const wire::Envelope&) {
    peer.send_bytes("220 mail.example ESMTP");
    return true;
  });
  EXPECT_EQ(run({"stats"}), 1);
  EXPECT_NE(err_.str().find("does not speak panbo's protocol"), std::string::npos) << err_.str();
}

TEST_F(CommandLineTest, SaysWhenItsOutputIsLost) {
  out_.setstate(std::ios::badbit);
  EXPECT_EQ(run({"stats"}), 1);
}

TEST_F(CommandLineTest, WantsACommand) {
  EXPECT_EQ(run({}), 2);
  EXPECT_EQ(run({"dance"}), 2);
}

}  // namespace
}  // namespace panbo::cli
