// The client is made with the first BO: many programs open a GPU to see what it is, and leave.

#include "client/interpose/open_file.h"

#include <utility>

namespace panbo::interpose {

BoCounts& BoCounts::operator+=(const BoCounts& other) {
  fresh += other.fresh;
  cached += other.cached;
  waited += other.waited;
  local += other.local;
  direct += other.direct;
  failed += other.failed;
  passed_on += other.passed_on;
  return *this;
}

panbo_client* OpenFile::client() {
  const std::lock_guard lock(client_mutex_);
  if (!connected_) {
    connected_ = true;
    const panbo_client_options options{
        .struct_size = sizeof options,
        .flags = PANBO_CLIENT_DIRECT,
        .drm_fd = fd_,
        .on_drop = [](panbo_bo*, void* user_data) { BoTable::forget(user_data); },
    };
    if (panbo_client_connect(&options, &client_) < 0) client_ = nullptr;
  }
  return client_;
}

void OpenFile::close_client() {
  while (const auto shared = bos_.take_back_shared()) panbo_bo_release(shared->bo, shared->flags);
  panbo_client_close(std::exchange(client_, nullptr));
}

BoCounts OpenFile::counts() {
  BoCounts counts{.passed_on = passed_on_};
  const std::lock_guard lock(client_mutex_);
  panbo_stats stats{.struct_size = sizeof stats};
  if (client_ != nullptr && panbo_client_get_stats(client_, &stats) == 0) {
    counts.fresh = stats.fresh;
    counts.cached = stats.cached;
    counts.waited = stats.waited;
    counts.local = stats.local;
    counts.direct = stats.direct;
    counts.failed = stats.failed;
  }
  return counts;
}

void OpenFile::lock() {
  client_mutex_.lock();
  bos_.lock();
}

void OpenFile::unlock() {
  bos_.unlock();
  client_mutex_.unlock();
}

}  // namespace panbo::interpose
