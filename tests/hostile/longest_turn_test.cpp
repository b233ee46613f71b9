// How long the daemon's thread is away at most while it keeps very much: 65,536 leases, all unused, in lease tables;
// 65,536 held BOs; 35,000 ready ones. The service runs in this process, on a device of which only the time is real:
// each call takes 2 us, like a short system call.
//
// What is judged are device calls in one turn, since they are the same on every machine. What is printed is the CPU
// time of the longest turn; time during which another process had the CPU is not in it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <map>
#include <memory>
#include <unordered_set>
#include <vector>

#include "daemon/core/device.h"
#include "daemon/service/service.h"
#include "proto/lease_table.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_memory.h"
#include "tests/support/fake_worker.h"

namespace panbo {
namespace {

constexpr uint64_t kSize = 4096;
constexpr size_t kBatch = 64;
constexpr size_t kUnused = 65536;
constexpr size_t kHeld = 65536;
constexpr size_t kReady = 35000;
/// A turn is a quantum of 50 calls, and one piece more.
constexpr uint64_t kMostCalls = 300;
constexpr int64_t kCallNs = 2000;

int64_t cpu_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

class TimedDevice : public Device {
 public:
  [[nodiscard]] DeviceLimits limits() const override { return {.page_size = 4096, .max_bo_size = uint64_t{4} << 30}; }
  Result<ArenaId> open_arena() override { return Errno{EMFILE}; }
  Result<DeviceBo> create(ArenaId arena, BoKind, uint64_t size) override {
    call();
    return DeviceBo{.arena = arena, .handle = ++last_handle_, .size = size};
  }
  void destroy(BoId id, const DeviceBo&) override {
    call();
    held_.erase(id);
  }
  Result<Usage> watch(BoId id, const DeviceBo&) override {
    call();
    if (others_hold) held_.insert(id);
    return Usage::kIdle;
  }
  void unwatch(BoId id) override {
    call();
    held_.erase(id);
  }
  Result<Holders> holders(BoId id) override {
    call();
    return held_.contains(id) ? Holders::kOthersToo : Holders::kOnlyUs;
  }
  Result<Holders> make_evictable(const DeviceBo&) override {
    call();
    return Holders::kOnlyUs;
  }
  Result<Pages> make_unevictable(const DeviceBo&) override {
    call();
    return Pages::kRetained;
  }

  /// Whether somebody has what is watched from now on.
  bool others_hold = false;
  /// Whether calls take time.
  bool timed = false;
  uint64_t calls = 0;

 private:
  void call() {
    ++calls;
    const int64_t end = timed ? cpu_ns() + kCallNs : 0;
    while (timed && cpu_ns() < end) continue;
  }

  uint32_t last_handle_ = 0;
  std::unordered_set<BoId> held_;
};

/// The longest turn of each kind.
struct Longest {
  int64_t ns = 0;
  uint64_t calls = 0;
  uint64_t turns = 0;
};

// The service's interface is asked for by its form, so that this file also measures a service without turns.
template <class S>
bool idle(S& service) {
  if constexpr (requires { service.turns(); }) return service.turns().idle();
  return true;
}

template <class S>
void run_turn(S& service) {
  if constexpr (requires { service.run_turn(); }) service.run_turn();
}

template <class S>
bool has_backlog(S& service, ClientId client) {
  if constexpr (requires { service.has_backlog(client); }) return service.has_backlog(client);
  return false;
}

template <class S>
void work_off(S& service, ClientId client) {
  if constexpr (requires { service.work_off(client); }) service.work_off(client);
}

template <class S>
void destroyed(S& service, uint64_t bytes) {
  if constexpr (requires { service.on_destroyed(bytes); }) service.on_destroyed(bytes);
}

class LongestTurnTest : public testing::Test {
 protected:
  class Client : public ClientPort {
   public:
    Client(LongestTurnTest& test, uint32_t uid, bool with_table = false) : test_(test), with_table_(with_table) {
      id_ = test_.service_.connect({.uid = uid}, *this);
      handle(HelloRequest{.protocol_version = 1, .name = "client", .lease_table = with_table});
    }
    void take(size_t count) {
      for (size_t taken = 0; taken < count; taken += kBatch) {
        handle(AllocRequest{.items = std::vector<AllocItem>(std::min(kBatch, count - taken), {.size = kSize})});
      }
    }
    void release_all() {
      for (size_t at = 0; at < leases_.size(); at += 256) {
        const auto end = std::min(at + 256, leases_.size());
        handle(ReleaseRequest{
            {leases_.begin() + static_cast<ptrdiff_t>(at), leases_.begin() + static_cast<ptrdiff_t>(end)}});
      }
      leases_.clear();
    }
    void mark_all_unused() {
      for (const uint32_t slot : slots_) {
        bool wake = false;
        std::ignore = free_lease(table_[slot], 0, table_[0], wake);
      }
      handle(LeasesUnusedRequest{});
    }
    void handle(ClientRequest message) {
      test_.timed("a message", [&] { test_.service_.handle(id_, RequestId{++last_}, std::move(message)); });
      while (has_backlog(test_.service_, id_)) test_.timed("a message", [&] { work_off(test_.service_, id_); });
      test_.run_turns("a message");
    }
    void disconnect() {
      test_.timed("a departure", [&] { test_.service_.disconnect(id_); });
      test_.run_turns("a departure");
    }

    void reply(RequestId, ClientReply reply) override {
      failed_ += std::holds_alternative<FailureReply>(reply);
      const auto* granted = std::get_if<GrantedReply>(&reply);
      if (granted == nullptr) return;
      for (const Grant& grant : granted->grants) {
        leases_.push_back(grant.lease);
        if (grant.slot != 0) slots_.push_back(grant.slot);
      }
    }
    void close() override {}
    std::span<LeaseWord> make_lease_table() override {
      if (with_table_) table_ = std::make_unique<LeaseWord[]>(kLeaseTableWords);
      return {table_.get(), with_table_ ? kLeaseTableWords : 0};
    }
    void ring() override {}

    [[nodiscard]] size_t failed() const { return failed_; }
    [[nodiscard]] size_t leases() const { return leases_.size(); }

   private:
    LongestTurnTest& test_;
    const bool with_table_;
    ClientId id_;
    uint64_t last_ = 0;
    size_t failed_ = 0;
    std::vector<LeaseId> leases_;
    std::vector<uint32_t> slots_;
    std::unique_ptr<LeaseWord[]> table_;
  };

  LongestTurnTest() {
    worker_.on_created = [this](BoId bo, const Result<DeviceBo>& made) { service_.on_created(bo, made); };
    worker_.on_destroyed = [this](uint64_t bytes) { destroyed(service_, bytes); };
    for (size_t left = kUnused; left > 0;) {
      const size_t share = std::min<size_t>(left, kLeaseTableWords - 1);
      add("keeper", 1, true).take(share);
      left -= share;
    }
    auto& holder = add("holder", 2);
    holder.take(kHeld);
    device_.others_hold = true;
    holder.release_all();
    device_.others_hold = false;
    auto& hoarder = add("hoarder", 3);
    hoarder.take(kReady);
    hoarder.release_all();
    run_turns("");
    for (const auto& client : clients_of_["keeper"]) client->mark_all_unused();
    pass(std::chrono::milliseconds(300));
    const auto stats = std::get<Stats>(service_.handle_admin(StatsRequest{}));
    if (stats.local.count != kUnused || stats.held.count != kHeld || stats.ready.count != kReady) {
      ADD_FAILURE() << stats.local.count << " unused, " << stats.held.count << " held, " << stats.ready.count
                    << " ready";
    }
    longest_.clear();
    device_.timed = true;
  }

  ~LongestTurnTest() override { device_.timed = false; }

  Client& add(const std::string& kind, uint32_t uid, bool with_table = false) {
    return *clients_of_[kind].emplace_back(std::make_unique<Client>(*this, uid, with_table));
  }

  template <class F>
  void timed(const std::string& what, const F& work) {
    const uint64_t calls = device_.calls;
    const int64_t begin = cpu_ns();
    work();
    Longest& longest = longest_[what];
    longest.ns = std::max(longest.ns, cpu_ns() - begin);
    longest.calls = std::max(longest.calls, device_.calls - calls);
    ++longest.turns;
  }

  void run_turns(const std::string& what) {
    do {
      while (!idle(service_)) timed(what, [&] { run_turn(service_); });
      // The worker is another thread.
      const bool was_timed = std::exchange(device_.timed, false);
      worker_.work_all();
      device_.timed = was_timed;
    } while (!idle(service_));
  }

  void pass(Duration time) {
    const Time end = clock_.now() + time;
    while (clock_.now() < end) {
      const auto due = service_.next_deadline();
      if (!due || *due > end) break;
      if (*due > clock_.now()) clock_.advance(*due - clock_.now());
      timed("a tick", [&] { service_.tick(); });
      run_turns("a tick");
    }
    if (clock_.now() < end) clock_.advance(end - clock_.now());
  }

  AdminReply ask(const std::string& what, const AdminRequest& message) {
    AdminReply reply;
    timed(what, [&] { reply = service_.handle_admin(message); });
    run_turns(what);
    return reply;
  }

  void judge() {
    for (const auto& [what, longest] : longest_) {
      std::printf("%-28s %8.0f us, %6llu device calls, the longest of %llu turns\n", what.c_str(),
                  static_cast<double>(longest.ns) / 1000, static_cast<unsigned long long>(longest.calls),
                  static_cast<unsigned long long>(longest.turns));
      EXPECT_LE(longest.calls, kMostCalls) << what;
    }
  }

  FakeClock clock_;
  FakeMemory memory_;
  TimedDevice device_;
  FakeWorker worker_{device_};
  Service service_{device_, &worker_, memory_, clock_, {}};
  std::map<std::string, std::vector<std::unique_ptr<Client>>> clients_of_;
  std::map<std::string, Longest> longest_;
};

TEST_F(LongestTurnTest, fault_30_time_passes) {
  pass(std::chrono::milliseconds(700));
  // Everything unused is due now.
  pass(std::chrono::seconds(1));
  judge();
}

TEST_F(LongestTurnTest, fault_30_another_user_allocates) {
  auto& honest = add("honest", 9);
  for (int i = 0; i < 100; ++i) {
    honest.take(1);
    honest.release_all();
    run_turns("a message");
  }
  judge();
}

TEST_F(LongestTurnTest, fault_30_memory_is_short) {
  auto& asker = add("asker", 9);
  memory_.bytes = 0;
  for (int i = 0; i < 3; ++i) asker.handle(AllocRequest{.items = {{.size = uint64_t{1} << 20}}});
  run_turns("a message");
  pass(std::chrono::milliseconds(200));
  judge();
}

TEST_F(LongestTurnTest, fault_30_the_kernel_says_that_memory_is_short) {
  for (const Pressure pressure : {Pressure::kSome, Pressure::kFull}) {
    timed("pressure", [&] { service_.on_pressure(pressure); });
    run_turns("pressure");
    pass(std::chrono::milliseconds(100));
  }
  judge();
}

TEST_F(LongestTurnTest, fault_30_an_administrator_looks_and_evicts) {
  ask("stats", StatsRequest{});
  ask("clients", ClientsRequest{});
  ask("labels", LabelsRequest{});
  ask("evict", EvictRequest{EvictAll{}});
  pass(std::chrono::milliseconds(100));
  judge();
}

TEST_F(LongestTurnTest, fault_30_clients_with_much_leave) {
  for (const char* kind : {"keeper", "holder", "hoarder"}) {
    for (const auto& client : clients_of_[kind]) client->disconnect();
  }
  judge();
}

TEST_F(LongestTurnTest, fault_30_many_wait_and_something_comes) {
  for (int i = 0; i < 4; ++i) add("waiter", 4);
  memory_.bytes = uint64_t{1} << 30;
  for (const auto& waiter : clients_of_["waiter"]) {
    for (int i = 0; i < 64; ++i) {
      AllocRequest request{.items = std::vector<AllocItem>(60, {.size = kSize}), .timeout = std::chrono::hours(1)};
      request.items.resize(63, {.size = 4261412864});
      waiter->handle(request);
    }
  }
  run_turns("waiting");
  pass(std::chrono::milliseconds(200));
  longest_.clear();
  auto& honest = add("honest", 9);
  for (int i = 0; i < 20; ++i) {
    honest.take(1);
    honest.release_all();
    run_turns("waiting");
  }
  judge();
}

}  // namespace
}  // namespace panbo
