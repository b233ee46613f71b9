// A DeviceWorker that works when a test says so, one job at a time, in the order of the real one.
#pragma once

#include <functional>

#include "daemon/core/device_queue.h"
#include "daemon/core/device_worker.h"

namespace panbo {

class FakeWorker : public DeviceWorker {
 public:
  using OnCreated = std::function<void(BoId, const Result<DeviceBo>&)>;
  using OnDestroyed = std::function<void(uint64_t bytes)>;

  /// `device` must outlive this.
  explicit FakeWorker(Device& device) : device_(device) {}

  void create(BoId id, UserId user, ArenaId arena, BoKind kind, uint64_t size) override {
    const CreateJob job{.id = id, .user = user, .arena = arena, .kind = kind, .size = size};
    creating_ += job.memory();
    queue_.push(job);
  }
  bool cancel(BoId id) override {
    const auto job = queue_.cancel(id);
    if (job) creating_ -= job->memory();
    return job.has_value();
  }
  void destroy(BoId id, const DeviceBo& bo, uint64_t memory) override {
    destroying_ += memory;
    queue_.push(DestroyJob{.id = id, .bo = bo, .memory = memory});
  }
  [[nodiscard]] uint64_t destroying() const override { return destroying_; }
  [[nodiscard]] uint64_t creating() const override { return creating_; }

  [[nodiscard]] size_t pending() const { return queue_.size(); }

  /// Does the next job and reports it. False if there is none.
  bool work() {
    const auto job = queue_.pop();
    if (!job) return false;
    if (const auto* create = std::get_if<CreateJob>(&*job)) {
      const auto result = device_.create(create->arena, create->kind, create->size);
      creating_ -= create->memory();
      on_created(create->id, result);
    } else {
      const auto& destroy = std::get<DestroyJob>(*job);
      device_.destroy(destroy.id, destroy.bo);
      destroying_ -= destroy.memory;
      if (on_destroyed) on_destroyed(destroy.memory);
    }
    return true;
  }
  void work_all() {
    while (work()) {
    }
  }

  OnCreated on_created;
  /// May be empty.
  OnDestroyed on_destroyed;

 private:
  Device& device_;
  DeviceQueue queue_;
  uint64_t destroying_ = 0;
  uint64_t creating_ = 0;
};

}  // namespace panbo
