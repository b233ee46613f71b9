// What the tests of the pool start with: a pool on fakes, and time that passes as the app would let it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>

#include "daemon/core/bo_pool.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_device.h"
#include "tests/support/fake_memory.h"
#include "tests/support/fake_worker.h"

namespace panbo {

/// A FakeDevice that counts the looks at what is held.
class CountingDevice : public FakeDevice {
 public:
  Result<Holders> holders(BoId id) override {
    ++looks;
    return FakeDevice::holders(id);
  }
  int looks = 0;
};

inline constexpr UserId kUser{1000};
/// A domain is a user.
inline constexpr BoKey kKey{.domain = DomainId{1000}, .size = 4096};

class BoPoolRig : public testing::Test {
 protected:
  explicit BoPoolRig(BoPoolOptions options, bool with_worker = false)
      : pool_(device_, with_worker ? &worker_ : nullptr, memory_, std::move(options)) {}

  /// A BO that the kernel has just made, lent to the domain's user.
  Bo& lend(const BoKey& key = kKey) {
    Bo& bo = pool_.begin_create(key, borrower(UserId{key.domain.value}), now());
    pool_.lend_created(bo, *device_.create(ArenaId{0}, key.kind, key.size), now());
    return bo;
  }
  Bo* lend_ready(const BoKey& key = kKey) {
    Borrower someone = borrower(UserId{key.domain.value});
    return pool_.lend_ready(key, someone, now());
  }
  Borrower borrower(UserId user = kUser) {
    return {.client = ClientId{1}, .user = user, .charge = *Charge::take(account_, {.bos = 1})};
  }
  /// Released, and nobody uses it: it goes to the cache, if that takes it.
  void make_ready(size_t count, const BoKey& key = kKey) {
    for (size_t i = 0; i < count; ++i) pool_.release(lend(key), now());
  }
  /// Released, and somebody else has it. Returns its handle.
  uint32_t hold(const BoKey& key = kKey) {
    Bo& bo = lend(key);
    const uint32_t handle = bo.device.handle;
    device_.bo(handle).others = 1;
    pool_.release(bo, now());
    return handle;
  }
  /// Bytes in the cache that belong to that user. It takes them all out and puts them back.
  uint64_t ready_of(const BoKey& key) {
    std::vector<Bo*> bos;
    while (Bo* bo = lend_ready(key)) bos.push_back(bo);
    for (Bo* bo : bos) pool_.release(*bo, now());
    return bos.size() * key.size;
  }
  void finish_job(uint32_t handle) {
    for (const BoId id : device_.finish_job(handle)) pool_.on_idle(id, now());
  }
  /// Lets time pass as the app would: to each deadline in turn. Returns how often it woke up; a piece that follows at
  /// once is no wake-up.
  int run_for(Duration duration) {
    const Time end = now() + duration;
    int wakeups = 0;
    while (pool_.next_deadline() && *pool_.next_deadline() <= end) {
      clock_.advance(std::max(*pool_.next_deadline() - now(), Duration::zero()));
      while (pool_.tick(now()).more) continue;
      ++wakeups;
    }
    clock_.advance(end - now());
    return wakeups;
  }
  [[nodiscard]] Time now() const { return clock_.now(); }

  FakeClock clock_;
  CountingDevice device_;
  FakeMemory memory_;
  FakeWorker worker_{device_};
  std::shared_ptr<Account> account_ = std::make_shared<Account>("account", kNoLimit, nullptr);
  BoPool pool_;
};

}  // namespace panbo
