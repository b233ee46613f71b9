// A DeviceWorker that works when a test says so, one job at a time.
#pragma once

#include <deque>
#include <functional>

#include "daemon/core/device_worker.h"

namespace panbo {

class FakeWorker : public DeviceWorker {
 public:
  using OnCreated = std::function<void(BoId, const Result<DeviceBo>&)>;

  /// `device` must outlive this.
  explicit FakeWorker(Device& device) : device_(device) {}

  void create(BoId id, ArenaId arena, BoKind kind, uint64_t size) override {
    jobs_.push_back([=, this] { on_created(id, device_.create(arena, kind, size)); });
  }
  void destroy(BoId id, const DeviceBo& bo) override {
    ++destroying_;
    jobs_.push_back([=, this] {
      device_.destroy(id, bo);
      --destroying_;
    });
  }
  [[nodiscard]] bool destroying() const override { return destroying_ > 0; }

  [[nodiscard]] size_t pending() const { return jobs_.size(); }

  /// Does the oldest job. False if there is none.
  bool work() {
    if (jobs_.empty()) return false;
    const auto job = std::move(jobs_.front());
    jobs_.pop_front();
    job();
    return true;
  }
  void work_all() {
    while (work()) {
    }
  }

  OnCreated on_created;

 private:
  Device& device_;
  std::deque<std::function<void()>> jobs_;
  size_t destroying_ = 0;
};

}  // namespace panbo
