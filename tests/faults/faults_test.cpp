#include "tests/faults/faults_test.h"

#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <stdexcept>

namespace panbo {
namespace {

/// What the allocator of the daemon may keep for itself.
constexpr uint64_t kMemorySlack = 8 * kMiB;

}  // namespace

FaultsTest::FaultsTest(const std::string& settings, std::function<void(const std::string&)> prepare)
    : PanbodTest("client.bos = 1024\nuser.bos = 1024\n" + settings, std::move(prepare)) {
  EXPECT_EQ(take_all(), kQuotaOfBos);
  expect_nothing_leaked();
  quiet_memory_ = memory();
}

void FaultsTest::TearDown() {
  if (!IsSkipped()) expect_recovered();
  PanbodTest::TearDown();
}

void FaultsTest::expect_recovered() {
  await_clients(1);
  limit_memory(0);
  for (const char* call : {"create", "export", "evictable", "unevictable", "watch"}) fail_next(call, EIO, 0);
  expect_bystander_served();
  expect_nothing_leaked();
  // What was being made for somebody who has left is charged until it is destroyed.
  await("the whole quota can be had", [this] { return take_all() >= kQuotaOfBos; });
  EXPECT_EQ(take_all(), kQuotaOfBos);
  expect_nothing_leaked();
  if (kSanitized) return;
  EXPECT_LE(memory(), quiet_memory_ + kMemorySlack);
}

uint64_t FaultsTest::take_all() {
  uint64_t granted = 0;
  {
    WirePeer peer = connect_and_greet("all of it");
    while (granted <= kQuotaOfBos) {
      const FromDaemon answer = peer.ask(batch_of(64, 4096));
      if (!answer.message.has_granted()) {
        EXPECT_EQ(code_of(answer), wire::FAILURE_OVER_QUOTA) << answer.message.failure().message();
        break;
      }
      granted += 64;
    }
  }
  await("all of it is back", [this] {
    const wire::Stats stats = admin_.stats();
    return stats.leased().count() + stats.draining().count() + stats.held().count() == 0;
  });
  return granted;
}

void FaultsTest::fail_next(const std::string& call, int error, uint32_t times) {
  wire::Simulate what;
  what.mutable_fault()->set_call(call);
  what.mutable_fault()->set_error(error);
  what.mutable_fault()->set_times(times);
  ASSERT_TRUE(admin_.simulate(what).has_simulated());
}

void FaultsTest::limit_memory(uint64_t bytes) {
  wire::Simulate what;
  what.set_memory_limit(bytes);
  ASSERT_TRUE(admin_.simulate(what).has_simulated());
}

void FaultsTest::start_job(uint64_t inode) {
  wire::Simulate what;
  what.mutable_job()->set_inode(inode);
  ASSERT_TRUE(admin_.simulate(what).has_simulated());
}

void FaultsTest::end_job(uint64_t inode) {
  wire::Simulate what;
  what.mutable_job()->set_inode(inode);
  what.mutable_job()->set_end(true);
  ASSERT_TRUE(admin_.simulate(what).has_simulated());
}

std::vector<wire::Client> FaultsTest::clients() {
  std::vector<wire::Client> all;
  wire::Envelope message;
  message.mutable_get_clients();
  FromDaemon answer = admin_.ask(message);
  for (;;) {
    const auto& part = answer.message.clients();
    all.insert(all.end(), part.clients().begin(), part.clients().end());
    if (!part.more()) return all;
    answer = admin_.receive();
  }
}

void FaultsTest::await_leased(uint64_t count) {
  await(std::to_string(count) + " BOs are leased", [&] { return admin_.stats().leased().count() == count; });
}

void FaultsTest::await_ready(uint64_t count) {
  await(std::to_string(count) + " BOs are ready", [&] { return admin_.stats().ready().count() == count; });
}

void FaultsTest::await_clients(size_t count) {
  await(std::to_string(count) + " clients are connected", [&] { return clients().size() == count; });
}

void FaultsTest::let_others_in() const {
  ASSERT_EQ(::chmod(daemon_.directory().c_str(), 0755), 0);
}

uint64_t FaultsTest::memory() const {
  return status_of(daemon_.pid(), "RssAnon") * 1024;
}

wire::Envelope batch_of(size_t count, uint64_t size) {
  wire::Envelope message;
  for (size_t i = 0; i < count; ++i) message.mutable_alloc()->add_items()->set_size(size);
  return message;
}

wire::Grant grant_of(const FromDaemon& answer) {
  if (answer.message.granted().grants_size() == 0) {
    throw std::runtime_error("nothing was granted: " + answer.message.failure().message());
  }
  return answer.message.granted().grants(0);
}

wire::FailureCode code_of(const FromDaemon& answer) {
  return answer.message.failure().code();
}

uint64_t status_of(pid_t pid, const std::string& key) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key + ":")) return std::stoull(line.substr(key.size() + 1));
  }
  throw std::runtime_error("the process is gone");
}

}  // namespace panbo
