// A user that had its turn goes to the end of the turns with what it has left; one that comes anew goes there, too. So
// whoever asks for one BO waits for at most one BO of each other user.

#include "daemon/core/device_queue.h"

namespace panbo {

void DeviceQueue::push(const CreateJob& job) {
  auto user = users_.find(job.user);
  if (user == users_.end()) {
    turns_.push_back({.user = job.user, .jobs = {}});
    user = users_.emplace(job.user, std::prev(turns_.end())).first;
  }
  Jobs& jobs = user->second->jobs;
  jobs.push_back(job);
  creates_.emplace(job.id, Place{.user = user->second, .job = std::prev(jobs.end())});
}

std::optional<CreateJob> DeviceQueue::cancel(BoId id) {
  const auto found = creates_.find(id);
  if (found == creates_.end()) return std::nullopt;
  const CreateJob job = *found->second.job;
  remove(found->second);
  creates_.erase(found);
  return job;
}

std::optional<DeviceJob> DeviceQueue::pop() {
  if (next_is_destroy()) {
    const DestroyJob job = destroys_.front();
    destroys_.pop_front();
    return job;
  }
  if (turns_.empty()) return std::nullopt;
  const auto user = turns_.begin();
  const CreateJob job = user->jobs.front();
  turns_.splice(turns_.end(), turns_, user);
  remove({.user = user, .job = user->jobs.begin()});
  creates_.erase(job.id);
  return job;
}

void DeviceQueue::drop_creates() {
  creates_.clear();
  users_.clear();
  turns_.clear();
}

void DeviceQueue::remove(const Place& place) {
  place.user->jobs.erase(place.job);
  if (!place.user->jobs.empty()) return;
  users_.erase(place.user->user);
  turns_.erase(place.user);
}

}  // namespace panbo
