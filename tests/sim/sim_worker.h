// The device worker of the simulation: it does half a job when the world lets it, in the order of the real one, and
// knows what is in flight.
#pragma once

#include <functional>
#include <optional>
#include <set>

#include "daemon/core/device_queue.h"
#include "daemon/core/device_worker.h"
#include "tests/support/fake_device.h"

namespace panbo::sim {

class SimWorker final : public DeviceWorker {
 public:
  /// `device` must outlive this.
  explicit SimWorker(FakeDevice& device) : device_(device) {}

  void create(BoId id, UserId user, ArenaId arena, BoKind kind, uint64_t size) override {
    const CreateJob job{.id = id, .user = user, .arena = arena, .kind = kind, .size = size};
    queue_.push(job);
    ++jobs_;
    ++creations_;
    creating_ += job.memory();
    if (on_create) on_create();
  }
  bool cancel(BoId id) override {
    const auto job = queue_.cancel(id);
    if (job) forget(*job);
    return job.has_value();
  }
  void destroy(BoId id, const DeviceBo& bo, uint64_t memory) override {
    queue_.push(DestroyJob{.id = id, .bo = bo, .memory = memory});
    ++jobs_;
    destroying_ += memory;
    destroyed_.insert(bo.handle);
  }
  [[nodiscard]] uint64_t destroying() const override { return destroying_; }
  [[nodiscard]] uint64_t creating() const override { return creating_; }

  /// Jobs that it was ever given.
  [[nodiscard]] uint64_t jobs() const { return jobs_; }
  /// Jobs that are not done.
  [[nodiscard]] size_t pending() const { return queue_.size() + (begun_ ? 1 : 0); }
  [[nodiscard]] size_t creations() const { return creations_; }
  /// A creation has begun, so it cannot be taken back.
  [[nodiscard]] bool creates() const { return begun_ && std::holds_alternative<CreateJob>(*begun_); }
  /// Handles of the BOs that it is to destroy.
  [[nodiscard]] const std::set<uint32_t>& destroyed() const { return destroyed_; }

  /// Begins a job, or ends the one that it has begun. False if there is none.
  bool work() {
    if (!begun_) {
      begun_ = queue_.pop();
      return begun_.has_value();
    }
    const DeviceJob job = *begun_;
    begun_.reset();
    if (const auto* create = std::get_if<CreateJob>(&job)) {
      const auto result = device_.create(create->arena, create->kind, create->size);
      forget(*create);
      on_created(create->id, result);
    } else {
      const auto& destroy = std::get<DestroyJob>(job);
      destroying_ -= destroy.memory;
      destroyed_.erase(destroy.bo.handle);
      device_.destroy(destroy.id, destroy.bo);
      on_destroyed(destroy.memory);
    }
    return true;
  }

  std::function<void(BoId, const Result<DeviceBo>&)> on_created;
  std::function<void(uint64_t bytes)> on_destroyed;
  /// Called when a creation was asked for.
  std::function<void()> on_create;

 private:
  void forget(const CreateJob& job) {
    --creations_;
    creating_ -= job.memory();
  }

  FakeDevice& device_;
  DeviceQueue queue_;
  std::optional<DeviceJob> begun_;
  uint64_t jobs_ = 0;
  size_t creations_ = 0;
  uint64_t creating_ = 0;
  uint64_t destroying_ = 0;
  std::set<uint32_t> destroyed_;
};

}  // namespace panbo::sim
