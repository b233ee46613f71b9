// The daemon's recorder, heard by a service on a device in memory.

#include "daemon/app/recorder.h"

#include <gtest/gtest.h>

#include <optional>

#include "daemon/app/settings.h"
#include "daemon/service/service.h"
#include "tests/replay/trace.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_device.h"
#include "tests/support/fake_memory.h"
#include "tests/support/in_child.h"
#include "tests/support/log_capture.h"
#include "tests/support/settle.h"
#include "tests/unit/replay/full_disk.h"
#include "tests/unit/replay/temporary_file.h"

namespace panbo::replay {
namespace {

using std::chrono::milliseconds;

class FakeClient : public ClientPort {
 public:
  explicit FakeClient(Service& service) : service_(service), id(service.connect({.uid = 1000}, *this)) {}
  ~FakeClient() override {
    service_.disconnect(id);
    settle(service_);
  }

  void say(ClientRequest message) { service_.handle(id, RequestId{1}, std::move(message)); }
  Grant alloc(uint64_t size, uint32_t flags = 0) {
    say(AllocRequest{.items = {{.size = size, .flags = flags}}});
    return grant_;
  }
  void reply(RequestId /*request*/, ClientReply reply) override {
    if (const auto* granted = std::get_if<GrantedReply>(&reply)) grant_ = granted->grants.at(0);
  }
  void close() override {}
  std::span<LeaseWord> make_lease_table() override { return {}; }
  void ring() override {}

 private:
  Service& service_;
  Grant grant_;

 public:
  const ClientId id;
};

TEST(RecorderTest, WritesWhatClientsDo) {
  const TemporaryFile file;
  FakeClock clock;
  FakeDevice device;
  const FakeMemory memory;
  {
    Recorder recorder(file.path(), clock);
    Service service(device, nullptr, memory, clock, {.observer = &recorder});
    // One that never says who it is leaves no trace.
    const FakeClient silent(service);
    FakeClient client(service);
    client.say(HelloRequest{.protocol_version = 1, .name = "painter"});
    const Grant first = client.alloc(5000);
    client.alloc(4096, 5);
    clock.advance(milliseconds(3));
    device.bo(first.bo.handle).busy = true;
    client.say(ReleaseRequest{{first.lease}});
    clock.advance(milliseconds(4));
    for (const BoId id : device.finish_job(first.bo.handle)) service.on_idle(id);
    // The same BO again, under a number of its own.
    client.alloc(5000);
  }
  const Trace trace = read_trace(file.path());
  ASSERT_EQ(trace.events.size(), 9u);
  EXPECT_EQ(std::get<Arrive>(trace.events[0].what).name, "painter");
  EXPECT_EQ(std::get<Arrive>(trace.events[0].what).uid, 1000u);
  EXPECT_EQ(std::get<Alloc>(trace.events[1].what).size, 5000u);
  EXPECT_EQ(std::get<Alloc>(trace.events[2].what).flags, 5u);
  EXPECT_EQ(trace.events[3].at, milliseconds(3));
  EXPECT_EQ(std::get<Release>(trace.events[3].what).bo, 1u);
  EXPECT_TRUE(std::get<Release>(trace.events[3].what).busy);
  EXPECT_EQ(trace.events[4].at, milliseconds(7));
  EXPECT_EQ(std::get<Idle>(trace.events[4].what).bo, 1u);
  EXPECT_EQ(std::get<Alloc>(trace.events[5].what).bo, 3u);
  EXPECT_TRUE(std::holds_alternative<Release>(trace.events[6].what));
  EXPECT_TRUE(std::holds_alternative<Release>(trace.events[7].what));
  EXPECT_TRUE(std::holds_alternative<Depart>(trace.events[8].what));
}

TEST(RecorderTest, TheServiceGoesOnWhenTheFileIsFull) {
  const TemporaryFile file;
  FakeClock clock;
  FakeDevice device;
  const FakeMemory memory;
  Recorder recorder(file.path(), clock, 200);
  Service service(device, nullptr, memory, clock, {.observer = &recorder});
  FakeClient client(service);
  client.say(HelloRequest{.protocol_version = 1, .name = "painter"});
  for (int i = 0; i < 100; ++i) client.say(ReleaseRequest{{client.alloc(4096).lease}});
  EXPECT_EQ(std::get<Stats>(service.handle_admin(StatsRequest{})).requests, 100u);
  EXPECT_LE(file.bytes().size(), 200u);
  EXPECT_GT(read_trace(file.path()).events.size(), 2u);
}

TEST(RecorderTest, ADiskThatGetsFullEndsTheFileWithAWholeEvent) {
  // Within the first piece, at its end, and within the second.
  for (const rlim_t bytes :
       {rlim_t{1000}, rlim_t{1001}, rlim_t{1007}, rlim_t{65'000}, rlim_t{70'001}, rlim_t{100'003}}) {
    const TemporaryFile file;
    const size_t lines = test::in_child([&] {
      const test::LogCapture log;
      limit_files(bytes);
      FakeClock clock;
      FakeDevice device;
      const FakeMemory memory;
      Recorder recorder(file.path(), clock);
      Service service(device, nullptr, memory, clock, {.observer = &recorder});
      FakeClient client(service);
      client.say(HelloRequest{.protocol_version = 1, .name = "painter"});
      for (int i = 0; i < 10'000; ++i) client.say(ReleaseRequest{{client.alloc(4096).lease}});
      return log.count("the recording to " + file.path() + " ends: File too large");
    });
    EXPECT_EQ(lines, 1u) << bytes;
    EXPECT_GT(file.bytes().size(), bytes - 30) << "no event more than one is missing";
    EXPECT_GT(read_trace(file.path()).events.size(), bytes / 30);
  }
}

TEST(RecorderTest, ADiskThatWasFullAtTheEndIsSaid) {
  const TemporaryFile file;
  EXPECT_EQ(test::in_child([&] {
              const test::LogCapture log;
              const FakeClock clock;
              std::optional<Recorder> recorder(std::in_place, file.path(), clock);
              recorder->arrived(ClientId{1}, Peer{}, "painter");
              limit_files(file.bytes().size() + 1);
              recorder.reset();
              return log.count("ends: File too large");
            }),
            1u);
  EXPECT_TRUE(read_trace(file.path()).events.empty());
}

TEST(RecorderTest, AFileThatCannotBeMadeIsAnErrorAtTheStart) {
  const FakeClock clock;
  EXPECT_THROW(Recorder("/does/not/exist", clock), SettingsError);
}

}  // namespace
}  // namespace panbo::replay
