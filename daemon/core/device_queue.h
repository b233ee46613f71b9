// What a DeviceWorker has still to do, and in which order: destructions first, as they came; then creations, one of
// each user in turn, and of one user as they came.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <unordered_map>
#include <variant>

#include "daemon/core/bo.h"
#include "daemon/core/device.h"
#include "daemon/core/ids.h"

namespace panbo {

struct CreateJob {
  BoId id;
  UserId user;
  ArenaId arena;
  BoKind kind = BoKind::kPlain;
  uint64_t size = 0;

  /// Bytes of memory that the BO will count as.
  [[nodiscard]] uint64_t memory() const { return BoKey{.domain = {}, .kind = kind, .size = size}.memory(); }
};

struct DestroyJob {
  BoId id;
  DeviceBo bo;
  /// Bytes of memory that it gives back.
  uint64_t memory = 0;
};

using DeviceJob = std::variant<CreateJob, DestroyJob>;

/// Every operation is O(1), whatever is in the queue.
class DeviceQueue {
 public:
  void push(const CreateJob& job);
  void push(const DestroyJob& job) { destroys_.push_back(job); }

  /// Takes a creation out of the queue. Returns nullopt if it is not in it.
  std::optional<CreateJob> cancel(BoId id);

  /// The next job, which leaves the queue. Returns nullopt if the queue is empty.
  std::optional<DeviceJob> pop();
  [[nodiscard]] bool next_is_destroy() const { return !destroys_.empty(); }

  void drop_creates();

  [[nodiscard]] bool empty() const { return destroys_.empty() && creates_.empty(); }
  [[nodiscard]] size_t size() const { return destroys_.size() + creates_.size(); }

 private:
  using Jobs = std::list<CreateJob>;
  struct UserJobs {
    UserId user;
    Jobs jobs;
  };
  /// The user at the front is next. Has no user without jobs.
  using Turns = std::list<UserJobs>;
  struct Place {
    Turns::iterator user;
    Jobs::iterator job;
  };

  void remove(const Place& place);

  std::deque<DestroyJob> destroys_;
  Turns turns_;
  std::unordered_map<UserId, Turns::iterator> users_;
  std::unordered_map<BoId, Place> creates_;
};

}  // namespace panbo
