// A service on a board: its memory is what the device's BOs and other programs leave of it, and a worker makes and
// destroys what is large.
#pragma once

#include "tests/support/fake_worker.h"
#include "tests/unit/service/service_rig.h"

namespace panbo {

class BoardTest : public ServiceTest {
 protected:
  /// What the board has left.
  class Memory : public MemoryGauge {
   public:
    explicit Memory(const FakeDevice& device) : device_(device) {}
    [[nodiscard]] uint64_t available() const override {
      const uint64_t used = device_.bytes() + others;
      return used > size ? 0 : size - used;
    }
    uint64_t size = 1024 * kMiB;
    /// What other programs have.
    uint64_t others = 0;

   private:
    const FakeDevice& device_;
  };

  BoardTest() {
    worker_.on_created = [this](BoId id, const Result<DeviceBo>& result) {
      board_.on_created(id, result);
      settle(board_);
    };
    worker_.on_destroyed = [this](uint64_t bytes) {
      board_.on_destroyed(bytes);
      settle(board_);
    };
  }

  static ServiceOptions options(ServiceOptions options) {
    options.pool.headroom_share = 0;
    options.room.total_max = 4096 * kMiB;
    options.user_quota.bos = options.client_quota.bos = 100'000;
    return options;
  }
  std::unique_ptr<FakeClient> connect(uint32_t uid = 1000, bool lease_table = false) {
    auto client = std::make_unique<FakeClient>(board_, uid);
    client->send(HelloRequest{.protocol_version = 1, .name = "fake", .lease_table = lease_table});
    return client;
  }
  /// One that the worker makes.
  Grant large(FakeClient& client, uint64_t size) {
    client.alloc({size});
    worker_.work_all();
    return client.last<GrantedReply>()->grants.at(0);
  }
  /// Lets time pass as the app would.
  void run_for(Duration time) {
    const Time end = clock_.now() + time;
    while (board_.next_deadline() && *board_.next_deadline() <= end) {
      clock_.advance(std::max(*board_.next_deadline() - clock_.now(), Duration{}));
      board_.tick();
      settle(board_);
    }
    clock_.advance(end - clock_.now());
  }
  Stats board_stats() { return std::get<Stats>(board_.handle_admin(StatsRequest{})); }

  Memory board_memory_{device_};
  FakeWorker worker_{device_};
  Service board_{device_, &worker_, board_memory_, clock_, options(options_)};
};

}  // namespace panbo
