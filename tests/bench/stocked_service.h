// The daemon's service in this process, with a stock of ready BOs, on a device that costs nothing.
#pragma once

#include <memory>
#include <vector>

#include "daemon/service/service.h"
#include "tests/bench/bare_device.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_memory.h"

namespace panbo::bench {

/// What the BOs of a stock are: as many of each size for each user.
struct Stock {
  /// In bytes, each of another class.
  std::vector<uint64_t> sizes;
  uint32_t users = 1;
  size_t bos = 0;
};

/// Every size class from `smallest` to `largest` bytes.
[[nodiscard]] std::vector<uint64_t> classes_between(uint64_t smallest, uint64_t largest);

class StockedService {
 public:
  /// Nothing decays as long as it lives, and no quota binds. Throws std::runtime_error.
  explicit StockedService(Stock stock);
  ~StockedService();
  StockedService(const StockedService&) = delete;
  StockedService& operator=(const StockedService&) = delete;

  /// One user's client asks for a BO of one of the sizes, gets a ready one, and gives it back. Each call is of another
  /// user and size, in an order that is random but the same for every stock.
  void hit();

 private:
  class Client;

  void fill();

  const Stock stock_;
  FakeClock clock_;
  FakeMemory memory_;
  BareDevice device_;
  Service service_;
  /// One of each user.
  std::vector<std::unique_ptr<Client>> clients_;
  struct Turn {
    Client* client;
    uint64_t size;
  };
  std::vector<Turn> turns_;
  size_t next_turn_ = 0;
};

}  // namespace panbo::bench
